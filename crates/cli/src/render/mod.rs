//! How results look: tables, templates, JSON, sizes, ages and dates, and the rules that keep foreign text from steering a terminal.

pub mod quote;
