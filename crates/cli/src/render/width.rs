//! How many columns text takes on a terminal: East Asian wide characters take two, everything else one.

/// The columns of `text`.
pub fn columns(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(of_char).sum() }
}

/// The columns of one character.
pub fn of_char(c: char) -> usize {
    let code = c as u32;
    if code < WIDE[0].0 {
        return 1;
    }
    let after = WIDE.partition_point(|&(first, _)| first <= code);
    if after > 0 && code <= WIDE[after - 1].1 { 2 } else { 1 }
}

/// Ranges whose East Asian Width is Wide or Fullwidth (Unicode, UAX #11), unassigned gaps inside a block included.
const WIDE: [(u32, u32); 59] = [
    (0x1100, 0x115f),
    (0x231a, 0x231b),
    (0x2329, 0x232a),
    (0x23e9, 0x23ec),
    (0x23f0, 0x23f0),
    (0x23f3, 0x23f3),
    (0x25fd, 0x25fe),
    (0x2614, 0x2615),
    (0x2648, 0x2653),
    (0x267f, 0x267f),
    (0x2693, 0x2693),
    (0x26a1, 0x26a1),
    (0x26aa, 0x26ab),
    (0x26bd, 0x26be),
    (0x26c4, 0x26c5),
    (0x26ce, 0x26ce),
    (0x26d4, 0x26d4),
    (0x26ea, 0x26ea),
    (0x26f2, 0x26f3),
    (0x26f5, 0x26f5),
    (0x26fa, 0x26fa),
    (0x26fd, 0x26fd),
    (0x2705, 0x2705),
    (0x270a, 0x270b),
    (0x2728, 0x2728),
    (0x274c, 0x274c),
    (0x274e, 0x274e),
    (0x2753, 0x2755),
    (0x2757, 0x2757),
    (0x2795, 0x2797),
    (0x27b0, 0x27b0),
    (0x27bf, 0x27bf),
    (0x2b1b, 0x2b1c),
    (0x2b50, 0x2b50),
    (0x2b55, 0x2b55),
    (0x2e80, 0x303e),
    (0x3041, 0x3247),
    (0x3250, 0x4dbf),
    (0x4e00, 0xa4c6),
    (0xa960, 0xa97c),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe10, 0xfe19),
    (0xfe30, 0xfe6b),
    (0xff01, 0xff60),
    (0xffe0, 0xffe6),
    (0x16fe0, 0x18cff),
    (0x1aff0, 0x1b2fb),
    (0x1f004, 0x1f004),
    (0x1f0cf, 0x1f0cf),
    (0x1f18e, 0x1f18e),
    (0x1f191, 0x1f19a),
    (0x1f200, 0x1f265),
    (0x1f300, 0x1f320),
    (0x1f32d, 0x1f335),
    (0x1f337, 0x1f393),
    (0x1f3a0, 0x1f64f),
    (0x1f680, 0x1f9ff),
    (0x1fa70, 0x3fffd),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_in_order() {
        assert!(WIDE.is_sorted_by(|a, b| a.1 < b.0));
    }

    #[test]
    fn wide_characters_take_two_columns() {
        for (text, expected) in
            [("", 0), ("abc", 3), ("é", 1), ("漢字", 4), ("한", 2), ("🐳", 2), ("ｶ", 1), ("Ａ", 2), ("…", 1)]
        {
            assert_eq!(columns(text), expected, "{text}");
        }
    }
}
