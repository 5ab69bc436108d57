//! Paragraphs of `Key: value` lines, as in mail (RFC 822) and Debian's control files.

/// Calls `take` for each paragraph with its fields. Lines that begin with a blank go on with the field before.
pub(super) fn each(text: &str, mut take: impl FnMut(&Fields<'_>)) {
    let mut fields = Fields::default();
    for line in text.lines().chain([""]) {
        if line.trim_end().is_empty() {
            if !fields.0.is_empty() {
                take(&fields);
                fields.0.clear();
            }
            continue;
        }
        fields.line(line);
    }
}

/// The fields of the first paragraph.
pub(super) fn first(text: &str) -> Fields<'_> {
    let mut fields = Fields::default();
    for line in text.lines().skip_while(|line| line.trim().is_empty()) {
        if line.trim_end().is_empty() {
            break;
        }
        fields.line(line);
    }
    fields
}

/// 256 fields of one paragraph.
const MAX_FIELDS: usize = 256;

/// One paragraph: keys with the first line of their values, in order.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn line(&mut self, line: &'a str) {
        if line.starts_with([' ', '\t']) {
            return;
        }
        // Nobody's package has more, and a paragraph of millions would take much more memory than its text.
        if let Some((key, value)) = line.split_once(':').filter(|_| self.0.len() < MAX_FIELDS) {
            self.0.push((key, value.trim()));
        }
    }

    /// The value of a field, empty if it is not there.
    pub(super) fn get(&self, key: &str) -> &'a str {
        self.all(key).next().unwrap_or_default()
    }

    /// The values of a field that may be there several times.
    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(key)).map(|(_, value)| *value)
    }
}
