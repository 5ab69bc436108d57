//! Layers as they are seen: the same tree from both snapshot kinds, and the tree that the tar describes.

mod contract;
mod gnu_tar;
mod shown;
mod sparse;
