//! Columns of text. A column is as wide as its longest cell plus three, at least ten; the last cell of a line is never padded, and widths
//! hold for consecutive lines that have the column.

use super::ellipsis;
use super::width::columns;

/// Padding between columns.
const PADDING: usize = 3;
/// Width of a column, at least, padding included.
const MIN_WIDTH: usize = 10;

/// Lays out lines of cells; every line is given the same number of cells as `header`. The header comes first.
///
/// This is the direct way for tables whose columns are known; [`align`] does the same for text with tabs.
pub fn rows<const N: usize, S: AsRef<str>>(header: [&str; N], rows: &[[S; N]]) -> String {
    laid_out(&header, rows.iter().map(|row| &row[..]))
}

/// As [`rows`], for tables whose columns are known only when they are written.
pub fn listed<S: AsRef<str>>(header: &[&str], rows: &[Vec<S>]) -> String {
    laid_out(header, rows.iter().map(|row| &row[..]))
}

fn laid_out<'a, S: AsRef<str> + 'a>(header: &[&str], rows: impl ExactSizeIterator<Item = &'a [S]> + Clone) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| columns(cell)).collect();
    for row in rows.clone() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell.as_ref()));
        }
    }
    for width in &mut widths {
        *width = (*width + PADDING).max(MIN_WIDTH);
    }
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

/// A column is not made narrower than this to fit a window: ids, sizes and times stay whole.
const LEAST_CELL: usize = 12;

/// What becomes of a last cell that a window has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It ends in `…`.
    Cut,
    /// It goes on below itself: nothing of it is lost.
    Wrap,
}

/// Makes a table with a header fit a window of so many columns: the widest cells end in `…`, but for those of the last column if they
/// are to be wrapped. What does not fit even so is left to the terminal, and so is text that is no table.
pub fn fit(text: &str, window: usize, overflow: Overflow) -> String {
    let Some(header) = text.lines().next() else { return text.to_owned() };
    let starts = starts(header);
    if window == 0 || starts.len() < 2 || text.lines().all(|line| columns(line) <= window) {
        return text.to_owned();
    }
    let lines: Vec<Vec<&str>> = text.lines().map(|line| cells(line, &starts)).collect();
    let width_of = |n: usize| lines.iter().map(|line| columns(line[n])).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..starts.len()).map(width_of).collect();
    let last = widths.len() - 1;
    let taken = |n: usize, width: usize| if n == last { width } else { (width + PADDING).max(MIN_WIDTH) };
    while widths.iter().enumerate().map(|(n, width)| taken(n, *width)).sum::<usize>() > window {
        let widest = (0..widths.len()).max_by_key(|n| widths[*n]).unwrap_or(last);
        if widths[widest] <= LEAST_CELL {
            break;
        }
        widths[widest] -= 1;
    }
    let mut out = String::with_capacity(text.len());
    for line in &lines {
        for (n, cell) in line.iter().enumerate().take(last) {
            let cell = ellipsis::fit(cell, widths[n]);
            out.push_str(&cell);
            pad(&mut out, taken(n, widths[n]) - columns(&cell));
        }
        // A last cell may be empty; what is padded before it is not.
        match overflow {
            Overflow::Cut => out.push_str(&ellipsis::fit(line[last], widths[last])),
            Overflow::Wrap => {
                let before = (0..last).map(|n| taken(n, widths[n])).sum();
                for (at, piece) in wrapped(line[last], widths[last]).into_iter().enumerate() {
                    if at > 0 {
                        out.push('\n');
                        pad(&mut out, before);
                    }
                    out.push_str(piece);
                }
            }
        }
        out.push('\n');
    }
    out
}

/// A text in lines of so many columns, broken at blanks where there are any.
fn wrapped(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while columns(rest) > width {
        // Whole prefixes are measured: a character can change the width of the one before it.
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        let fits = ends.take_while(|end| columns(&rest[..*end]) <= width).last().unwrap_or_default();
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let blank = match rest[fits..].starts_with(' ') {
            true => Some(fits),
            false => rest[..fits].rfind(' ').filter(|at| *at > 0),
        };
        let (line, tail) = rest.split_at(blank.unwrap_or(fits.max(first)));
        lines.push(line);
        rest = tail.trim_start_matches(' ');
    }
    if lines.is_empty() || !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// Where the columns of a table begin, in columns of text: a header's titles lie two blanks apart at least.
fn starts(header: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut blanks = 2;
    for (at, c) in header.chars().enumerate() {
        if c == ' ' {
            blanks += 1;
        } else {
            if blanks >= 2 {
                starts.push(at);
            }
            blanks = 0;
        }
    }
    starts
}

/// The cells of a line whose columns begin there, without the blanks behind them.
fn cells<'a>(line: &'a str, starts: &[usize]) -> Vec<&'a str> {
    let mut cells = Vec::with_capacity(starts.len());
    let mut rest = line;
    let mut at = 0;
    for next in starts.iter().skip(1) {
        let end = rest
            .char_indices()
            .map(|(end, _)| end)
            .find(|end| at + columns(&rest[..*end]) >= *next)
            .unwrap_or(rest.len());
        let (cell, behind) = rest.split_at(end);
        at += columns(cell);
        cells.push(cell.trim_end_matches(' '));
        rest = behind;
    }
    cells.push(rest.trim_end_matches(' '));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_its_window() {
        let names = ["short", "a-name-that-goes-on-and-on-and-on"];
        let table =
            rows(["NAME", "DRIVER", "WHAT IT IS FOR"], &names.map(|name| [name, "local", "日本語 and more of it"]));
        let fit = |text: &str, window| fit(text, window, Overflow::Cut);
        assert_eq!(fit(&table, 80), table);
        assert_eq!(fit(&table, 0), table);
        let fitted = fit(&table, 50);
        assert_eq!(
            fitted,
            "NAME                  DRIVER    WHAT IT IS FOR\n\
             short                 local     日本語 and more o…\n\
             a-name-that-goes-o…   local     日本語 and more o…\n"
        );
        assert!(fitted.lines().all(|line| columns(line) <= 50));
        // What is too narrow for all is left as narrow as it makes sense.
        assert!(fit(&table, 10).lines().all(|line| columns(line) <= 12 + 3 + 10 + 12));
        assert_eq!(fit("one long line without any columns", 10), "one long line without any columns");
    }

    #[test]
    fn last_cells_go_on_below_themselves() {
        let table =
            rows(["CHECK", "WHAT"], &[["set-id", "files: /usr/bin/a, /usr/bin/b"], ["x", "日本語日本語日本語"]]);
        assert_eq!(
            fit(&table, 24, Overflow::Wrap),
            "CHECK     WHAT\n\
             set-id    files:\n          \
                       /usr/bin/a,\n          \
                       /usr/bin/b\n\
             x         日本語日本語日\n          \
                       本語\n"
        );
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("abcdefg h", 3), ["abc", "def", "g h"]);
        assert_eq!(wrapped("日本", 1), ["日", "本"]);
    }

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
