//! Columns of text. A column is as wide as its longest cell plus three, at least ten; the last cell of a line is never padded, and widths
//! hold for consecutive lines that have the column.

use super::width::columns;

/// Padding between columns.
const PADDING: usize = 3;
/// Width of a column, at least, padding included.
const MIN_WIDTH: usize = 10;

/// Lays out lines of cells; every line is given the same number of cells as `header`. The header comes first.
///
/// This is the direct way for tables whose columns are known; [`align`] does the same for text with tabs.
pub fn rows<const N: usize, S: AsRef<str>>(header: [&str; N], rows: &[[S; N]]) -> String {
    let mut widths = header.map(columns);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell.as_ref()));
        }
    }
    let widths = widths.map(|width| (width + PADDING).max(MIN_WIDTH));
    let line = widths.iter().sum::<usize>() + 1;
    let mut out = String::with_capacity(line * (rows.len() + 1));
    write_line(&mut out, &widths, header.iter().copied());
    for row in rows {
        write_line(&mut out, &widths, row.iter().map(AsRef::as_ref));
    }
    out
}

fn write_line<'a>(out: &mut String, widths: &[usize], cells: impl ExactSizeIterator<Item = &'a str>) {
    let last = cells.len().saturating_sub(1);
    for (index, (cell, &width)) in cells.zip(widths).enumerate() {
        out.push_str(cell);
        if index < last {
            pad(out, width - columns(cell));
        }
    }
    out.push('\n');
}

fn pad(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// Lays out `text` whose cells end in tabs and whose lines end in newlines.
pub fn align(text: &str) -> String {
    align_with(text, MIN_WIDTH, PADDING)
}

/// [`align`] with other measures, for the few outputs that differ from tables.
pub fn align_with(text: &str, min_width: usize, padding: usize) -> String {
    let ends_line = text.ends_with('\n');
    let body = text.strip_suffix('\n').unwrap_or(text);
    let lines: Vec<Vec<&str>> = body.split('\n').map(|line| line.split('\t').collect()).collect();
    // The width of each cell that is not its line's last; found block by block, column by column.
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|line| vec![0; line.len() - 1]).collect();
    let most = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..most {
        let mut first = 0;
        while first < lines.len() {
            let block = lines[first..].iter().take_while(|line| line.len() - 1 > column).count();
            let cells = lines[first..first + block].iter().map(|line| columns(line[column]) + padding);
            let width = cells.max().unwrap_or(0).max(min_width);
            for line in &mut widths[first..first + block] {
                line[column] = width;
            }
            first += block.max(1);
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (index, (line, widths)) in lines.iter().zip(&widths).enumerate() {
        for (column, cell) in line.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(column) {
                pad(&mut out, width - columns(cell));
            }
        }
        if ends_line || index + 1 < lines.len() {
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(align(text), expected);
    }

    #[test]
    fn header_alone() {
        check("REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\n", "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
        let none: [[String; 5]; 0] = [];
        assert_eq!(
            rows(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"], &none),
            "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n"
        );
    }

    #[test]
    fn padding_stays_before_an_empty_last_cell() {
        check("A\tB\nlonger than ten\t\n", "A                 B\nlonger than ten   \n");
    }

    #[test]
    fn widths_hold_for_a_block() {
        check("a\tb\nplain\nvery long cell\tc\n", "a         b\nplain\nvery long cell   c\n");
        check("a\tb\tc\nlonger cell 1\td\n", "a               b         c\nlonger cell 1   d\n");
    }

    #[test]
    fn wide_characters_count_twice() {
        check("漢字漢字\tx\nabcdefgh\ty\n", "漢字漢字   x\nabcdefgh   y\n");
    }

    #[test]
    fn other_shapes() {
        check("", "");
        check("no newline\tx", "no newline   x");
        check("\n\n", "\n\n");
        check("\tx\n", "          x\n");
    }

    #[test]
    fn both_ways_agree() {
        let lines = [["web", "1", "1.98MB"], ["team/a-long-name", "latest", ""], ["漢", "<none>", "0B"]];
        let mut text = "REPOSITORY\tTAG\tSIZE\n".to_owned();
        for line in &lines {
            text += &(line.join("\t") + "\n");
        }
        assert_eq!(rows(["REPOSITORY", "TAG", "SIZE"], &lines), align(&text));
    }
}
