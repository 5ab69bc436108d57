//! Tables as Go's tabwriter sets them: a column is as wide as its widest cell, as far as it goes on without a gap.

/// Sets lines of cells between tabs; `padding` blanks stand between columns.
pub(super) fn aligned(text: &str, padding: usize) -> String {
    let lines: Vec<Vec<&str>> =
        text.split_inclusive('\n').map(|line| line.trim_end_matches('\n').split('\t').collect()).collect();
    let mut out = String::new();
    block(&lines, padding, &mut Vec::new(), &mut out);
    out
}

/// Sets lines whose first columns have the given widths.
fn block(lines: &[Vec<&str>], padding: usize, widths: &mut Vec<usize>, out: &mut String) {
    let column = widths.len();
    let has_column = |line: &Vec<&str>| column + 1 < line.len();
    let mut rest = lines;
    while let Some(first) = rest.first() {
        let is_in = has_column(first);
        let end = rest.iter().position(|line| has_column(line) != is_in).unwrap_or(rest.len());
        let (part, more) = rest.split_at(end);
        if is_in {
            let width = part.iter().map(|line| line[column].chars().count() + padding).max().unwrap_or_default();
            widths.push(width);
            block(part, padding, widths, out);
            widths.pop();
        } else {
            part.iter().for_each(|line| write(line, widths, out));
        }
        rest = more;
    }
}

fn write(line: &[&str], widths: &[usize], out: &mut String) {
    for (at, cell) in line.iter().enumerate() {
        out.push_str(cell);
        if let Some(width) = widths.get(at) {
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let check = |text: &str, padding, expected: &str| assert_eq!(aligned(text, padding), expected, "{text:?}");
        check("A\tB\nlong\t\n", 1, "A    B\nlong \n");
        check("A\tB\tC\na\t\té\nébc\tx\ty\n", 3, "A     B   C\na         é\nébc   x   y\n");
        check("A\tB\nx\ty\tz\n", 1, "A B\nx y z\n");
        check("no\n", 3, "no\n");
        check("", 3, "");
    }
}
