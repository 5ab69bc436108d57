//! How results look: tables, templates, JSON, sizes, ages and dates, and the rules that keep foreign text from steering a terminal.

pub mod age;
pub mod ellipsis;
pub mod format;
pub mod json;
pub mod pieces;
pub mod progress;
pub mod quote;
pub mod sanitise;
pub mod serialize;
pub mod size;
pub mod table;
pub mod template;
pub mod time;
pub mod value;
pub mod width;

/// Bytes as base64, with padding.
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
