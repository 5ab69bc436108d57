//! Comma-separated values, as `--set`, entries of attributes and variables have them.

/// The fields of one line.
pub(crate) fn fields(line: &str) -> Result<Vec<String>, String> {
    fields_by(line, ',')
}

/// The fields of one line, which `separator` stands between.
pub(crate) fn fields_by(line: &str, separator: char) -> Result<Vec<String>, String> {
    let mut reader = Reader { rest: line, separator, column: 1 };
    let mut fields = Vec::new();
    loop {
        fields.push(reader.field()?);
        match reader.rest.strip_prefix(separator) {
            Some(rest) => (reader.rest, reader.column) = (rest, reader.column + separator.len_utf8()),
            None => return Ok(fields),
        }
    }
}

/// All lines of a table, empty ones left out.
pub(crate) fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut reader = Reader { rest: text, separator: ',', column: 1 };
    let mut rows = Vec::new();
    while !reader.rest.is_empty() {
        if let Some(rest) = reader.rest.strip_prefix('\n').or_else(|| reader.rest.strip_prefix("\r\n")) {
            reader.rest = rest;
            continue;
        }
        let mut row = Vec::new();
        loop {
            row.push(reader.field()?);
            match reader.rest.strip_prefix(',') {
                Some(rest) => reader.rest = rest,
                None => break,
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

struct Reader<'t> {
    rest: &'t str,
    separator: char,
    column: usize,
}

impl Reader<'_> {
    /// One field, up to the separator or the end of the line.
    fn field(&mut self) -> Result<String, String> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([self.separator, '\n', '\r']).unwrap_or(self.rest.len());
            let (field, rest) = self.rest.split_at(end);
            if let Some(at) = field.find('"') {
                return Err(format!("parse error on line 1, column {}: bare \" in non-quoted field", self.column + at));
            }
            (self.rest, self.column) = (rest, self.column + end);
            return Ok(field.to_owned());
        };
        let (mut field, mut inside) = (String::new(), quoted);
        loop {
            let Some(end) = inside.find('"') else {
                let column = self.column + self.rest.len();
                return Err(format!(
                    "parse error on line 1, column {column}: extraneous or missing \" in quoted-field"
                ));
            };
            field.push_str(&inside[..end]);
            inside = &inside[end + 1..];
            match inside.strip_prefix('"') {
                Some(rest) => {
                    field.push('"');
                    inside = rest;
                }
                None => break,
            }
        }
        self.column += self.rest.len() - inside.len();
        self.rest = inside;
        let ends = inside.is_empty() || inside.starts_with(self.separator) || inside.starts_with(['\n', '\r']);
        match ends {
            true => Ok(field),
            false => {
                Err(format!("parse error on line 1, column {}: extraneous or missing \" in quoted-field", self.column))
            }
        }
    }
}

/// `key=value` pairs in one line, quoted where they have to be.
#[derive(Default)]
pub(crate) struct Pairs(String);

impl Pairs {
    /// Adds a pair.
    pub(crate) fn add(&mut self, key: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        let pair = format!("{key}={value}");
        match pair.contains([',', '"']) {
            true => self.0.push_str(&format!("\"{}\"", pair.replace('"', "\"\""))),
            false => self.0.push_str(&pair),
        }
    }

    /// The line.
    pub(crate) fn line(self) -> String {
        self.0
    }
}

/// What Go's `strconv.ParseBool` takes.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
