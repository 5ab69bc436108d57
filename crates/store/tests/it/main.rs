//! Layers as they are seen: the same tree from both snapshot kinds, and the tree that the tar describes.

mod content;
mod contract;
mod gnu_tar;
mod graph;
mod merged;
mod model;
mod property;
mod scale;
mod scratch;
mod seams;
mod shown;
mod sparse;
mod stack;
