//! Lines of help that fit a terminal, broken where pflag breaks them.

/// Columns that the last line of a text may have more than the others, rather than leave a short word alone.
const SLOP: usize = 5;
/// Fewer columns than this are no room for text.
const MIN_ROOM: usize = 24;
/// Where text stands that has no room beside its flag.
const NEXT_LINE_INDENT: usize = 16;

/// `text` with every line but its first indented by `indent`, and broken so that no line ends beyond `columns`; 0 for nowhere.
pub(super) fn wrapped(text: &str, indent: usize, columns: usize) -> String {
    if columns == 0 || columns < NEXT_LINE_INDENT + MIN_ROOM {
        return indented(text, indent);
    }
    let (indent, mut out) = match columns.saturating_sub(indent) {
        0..MIN_ROOM => (NEXT_LINE_INDENT, format!("\n{:NEXT_LINE_INDENT$}", "")),
        _ => (indent, String::new()),
    };
    let room = columns - indent - SLOP;
    let mut rest = Some(text);
    let mut is_first = true;
    while let Some(text) = rest {
        if !is_first {
            out += &format!("\n{:indent$}", "");
        }
        is_first = false;
        let (line, tail) = broken(text, room);
        out += &indented(line, indent);
        rest = tail;
    }
    out
}

/// As much of `text` as fits into `room`, and what is left.
fn broken(text: &str, room: usize) -> (&str, Option<&str>) {
    if room + SLOP > text.len() {
        return (text, None);
    }
    let start = &text[..text.floor_char_boundary(room)];
    let end = match (start.rfind('\n'), start.rfind([' ', '\t'])) {
        (Some(line), _) if line > 0 => line,
        (_, Some(word)) if word > 0 => word,
        _ => return (text, None),
    };
    (&text[..end], Some(&text[end + 1..]).filter(|rest| !rest.is_empty()))
}

fn indented(text: &str, indent: usize) -> String {
    text.replace('\n', &format!("\n{:indent$}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, indent: usize, columns: usize, expected: &str) {
        assert_eq!(wrapped(text, indent, columns), expected);
    }

    #[test]
    fn lines_end_before_the_terminal_does() {
        let text = "Set the target platform for build (default: that of the machine it runs on)";
        check(text, 10, 0, text);
        check(text, 10, 100, text);
        check(
            text,
            10,
            50,
            "Set the target platform for build\n          (default: that of the machine it\n          runs on)",
        );
        for columns in 40..100 {
            let shown = format!("{:10}{}", "", wrapped(text, 10, columns));
            assert!(shown.lines().all(|line| line.len() <= columns), "{columns}: {shown}");
        }
    }

    #[test]
    fn lines_of_the_text_stay_lines() {
        check("one:\n'two': 2\nthree", 4, 0, "one:\n    'two': 2\n    three");
        let text = "one two three four five:\n'six': seven eight nine\nten";
        check(text, 4, 40, "one two three four five:\n    'six': seven eight nine\n    ten");
    }

    #[test]
    fn text_without_room_goes_below_its_flag() {
        check("some text", 60, 70, &format!("\n{:16}some text", ""));
        check("some text that is long", 60, 30, "some text that is long");
    }
}
