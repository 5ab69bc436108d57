//! The value of `--format`: what list commands and inspect commands make of it. The two families differ in everything but the language.

use super::json::{self, Html};
use super::table;
use super::template::{ExecError, Mode, ParseError, Template};
use super::value::Value;

/// What a list command was asked to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Its own table, nothing being said.
    Default,
    /// A table by a template.
    Table,
    /// One JSON object per line.
    Json,
    /// The command's own form for scripts.
    Raw,
    /// A line per row by a template.
    Template,
}

/// The `--format` of a list command, not yet understood as a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFormat {
    kind: ListKind,
    source: String,
}

impl ListFormat {
    /// Reads a value of `--format`. Only the beginning counts: everything that starts with `table` is a table, by what follows. Blanks at both
    /// ends of a template are dropped, and `\t` and `\n` become what they stand for.
    pub fn parse(text: &str) -> ListFormat {
        let (kind, source) = match (text, text.strip_prefix("table")) {
            ("json", _) => (ListKind::Json, JSON),
            ("raw", _) => (ListKind::Raw, ""),
            ("", _) => (ListKind::Default, ""),
            (_, Some(rest)) if rest.trim_matches(' ').is_empty() => (ListKind::Default, ""),
            (_, Some(rest)) => (ListKind::Table, rest),
            (text, None) => (ListKind::Template, text),
        };
        ListFormat { kind, source: unescape(source) }
    }

    /// Gives the two forms that are the command's own their templates: the columns of its table and its form for scripts.
    #[must_use]
    pub fn or(mut self, table: &str, raw: &str) -> ListFormat {
        match self.kind {
            ListKind::Default => self.source = unescape(table),
            ListKind::Raw => self.source = unescape(raw),
            ListKind::Table | ListKind::Json | ListKind::Template => {}
        }
        self
    }

    /// What was asked for.
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the output is a table with a header.
    pub fn is_table(&self) -> bool {
        matches!(self.kind, ListKind::Default | ListKind::Table)
    }

    /// Appends a column to a table that does not have it yet; `column` is an action such as `{{.Digest}}`.
    pub fn add_column(&mut self, column: &str) {
        if self.is_table() && !self.source.contains(column) {
            self.source.push('\t');
            self.source.push_str(column);
        }
    }
}

const JSON: &str = "{{json .}}";

fn unescape(text: &str) -> String {
    text.trim_matches(' ').replace("\\t", "\t").replace("\\n", "\n")
}

/// Prints `rows` by `format`; `titles` are the column titles by field name. The text is complete: if any row fails there is none, because
/// half a listing misleads scripts.
///
/// # Errors
/// The template's message, without the prefix that commands put before it.
pub fn render_rows(format: &ListFormat, rows: &[Value], titles: &[(&str, &str)]) -> Result<String, RowsError> {
    let template = Template::parse(&format.source)?;
    let mut out = String::new();
    if format.is_table() {
        // Titles that fail leave what they printed, as in an empty listing of a field that no row would have.
        out = template.execute(&header(titles), Mode::Header).unwrap_or_else(|error| error.rendered);
        out.push('\n');
    }
    for row in rows {
        out.push_str(&template.execute(row, Mode::Data)?);
        out.push('\n');
    }
    Ok(if format.is_table() { table::align(&out) } else { out })
}

/// Why rows cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// The template cannot be understood.
    #[error(transparent)]
    Template(#[from] ParseError),
    /// The template fails on one of them.
    #[error(transparent)]
    Row(#[from] ExecError),
}

/// What a header row is made of. `Label` is there for every list: its title is the last part of the label's name.
fn header(titles: &[(&str, &str)]) -> Value {
    let label = Value::Method(std::rc::Rc::new(|args: &[Value]| {
        let name = args.first().and_then(Value::as_str).unwrap_or_default();
        let last = name.rsplit('.').next().unwrap_or_default();
        Ok(Value::from(last.replace(['-', '_'], " ")))
    }));
    let titles = titles.iter().map(|(field, title)| (*field, Value::str(title)));
    Value::map(titles.chain([("Label", label)]))
}

/// The `--format` of an inspect command.
#[derive(Debug)]
pub enum InspectFormat {
    /// JSON on one line.
    Json,
    /// A template, taken as it is.
    Template(Template),
}

/// What an inspect command prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Inspected {
    /// For stdout.
    pub text: String,
    /// Why it ends there: the template's message, without prefix.
    pub error: Option<String>,
}

impl InspectFormat {
    /// Reads a value of `--format`.
    ///
    /// # Errors
    /// A template that cannot be understood.
    pub fn parse(text: &str) -> Result<InspectFormat, ParseError> {
        if text == "json" { Ok(InspectFormat::Json) } else { Template::parse(text).map(InspectFormat::Template) }
    }

    /// One object and a newline, as `version` and `info` print.
    ///
    /// # Errors
    /// The template's failure, which knows what it had printed.
    pub fn one(&self, object: &Value) -> Result<String, ExecError> {
        match self {
            InspectFormat::Json => Ok(json::compact(object, Html::Plain) + "\n"),
            InspectFormat::Template(template) => Ok(template.execute(object, Mode::Data)? + "\n"),
        }
    }

    /// All objects: one array as JSON, else a line per object up to the first that fails, and an empty line if there is none.
    pub fn all(&self, objects: &[Value]) -> Inspected {
        if matches!(self, InspectFormat::Json) {
            let text = json::compact(&Value::list(objects.iter().cloned()), Html::Plain) + "\n";
            return Inspected { text, error: None };
        }
        let mut inspected = Inspected { text: String::new(), error: None };
        for object in objects {
            match self.one(object) {
                Ok(line) => inspected.text.push_str(&line),
                Err(error) => {
                    inspected.error = Some(error.text);
                    break;
                }
            }
        }
        if inspected.text.is_empty() {
            inspected.text.push('\n');
        }
        inspected
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Field;
    use super::*;

    const TITLES: [(&str, &str); 3] = [("Repository", "REPOSITORY"), ("Tag", "TAG"), ("ID", "IMAGE ID")];

    fn rows() -> Vec<Value> {
        let row = |tag: &str| {
            let label = Field::method("Label", |_| Ok(Value::str("x")));
            let fields = [("Repository", "base"), ("Tag", tag), ("ID", "e5254817d90a")].map(|(k, v)| Field::new(k, v));
            Value::row("*formatter.imageContext", fields.into_iter().chain([label]).collect())
        };
        vec![row("1"), row("<none>")]
    }

    fn check(format: &str, expected: &str) {
        let format = ListFormat::parse(format).or("{{.Repository}}\t{{.Tag}}\t{{.ID}}", "tag: {{.Tag}}\\n");
        assert_eq!(render_rows(&format, &rows(), &TITLES).as_deref(), Ok(expected), "{format:?}");
    }

    #[test]
    fn directives() {
        let table = "REPOSITORY   TAG       IMAGE ID\nbase         1         e5254817d90a\nbase         <none>    e5254817d90a\n";
        check("", table);
        check("table", table);
        check("table ", table);
        check("table {{.Tag}}", "TAG\n1\n<none>\n");
        check("table{{.ID}}", "IMAGE ID\ne5254817d90a\ne5254817d90a\n");
        check("tablefoo {{.ID}}", "foo IMAGE ID\nfoo e5254817d90a\nfoo e5254817d90a\n");
        check("pretty", "pretty\npretty\n");
        check("  {{.Tag}} ", "1\n<none>\n");
        check(" table", "table\ntable\n");
        check("{{.Tag}}\\t{{.ID}}\\n", "1\te5254817d90a\n\n<none>\te5254817d90a\n\n");
        check("raw", "tag: 1\n\ntag: <none>\n\n");
        check("{{json .Tag}}", "\"1\"\n\"<none>\"\n");
        let json = |tag: &str| format!(r#"{{"ID":"e5254817d90a","Repository":"base","Tag":"{tag}"}}"#);
        check("json", &format!("{}\n{}\n", json("1"), json("\\u003cnone\\u003e")));
    }

    #[test]
    fn headers() {
        check("table {{upper .Repository}} {{.Tag}}", "REPOSITORY TAG\nBASE 1\nBASE <none>\n");
        check(
            "table {{.Repository}}:{{.Tag}}\\tX\\t{{truncate .ID 4}}",
            "REPOSITORY:TAG   X         IMAGE ID\nbase:1           X         e525\nbase:<none>      X         e525\n",
        );
        check("table {{.Label \"com.x.my-key\"}}", "my key\nx\nx\n");
        check("table [{{pad .Tag 1 1}}]", "[ TAG ]\n[ 1 ]\n[ <none> ]\n");
    }

    #[test]
    fn nothing_is_printed_without_rows_but_a_header() {
        for (format, expected) in
            [("{{.Tag}}", ""), ("json", ""), ("table {{.Tag}}", "TAG\n"), ("table {{.Nope}}", "<no value>\n")]
        {
            assert_eq!(render_rows(&ListFormat::parse(format), &[], &TITLES).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_failing_row_leaves_nothing() {
        let expected =
            "template: :1:10: executing \"\" at <.Nope>: can't evaluate field Nope in type *formatter.imageContext";
        let format = ListFormat::parse("{{.Tag}}{{.Nope}}");
        assert_eq!(render_rows(&format, &rows(), &TITLES).unwrap_err().to_string(), expected);
        let unclosed = render_rows(&ListFormat::parse("{{.Tag"), &rows(), &TITLES);
        assert_eq!(unclosed.unwrap_err().to_string(), "template: :1: unclosed action");
    }

    #[test]
    fn columns_are_added_to_tables_only() {
        for (format, expected) in [
            ("table {{.Tag}}", "{{.Tag}}\t{{.Digest}}"),
            ("table {{.Digest}}", "{{.Digest}}"),
            ("{{.Tag}}", "{{.Tag}}"),
            ("json", "{{json .}}"),
        ] {
            let mut format = ListFormat::parse(format);
            format.add_column("{{.Digest}}");
            assert_eq!(format.source(), expected);
        }
    }

    fn inspect(format: &str, objects: usize) -> (String, Option<String>) {
        let object =
            |id: &str| Value::document(vec![Field::named("ID", "Id", id), Field::new("Labels", Value::Map(None))]);
        let objects: Vec<Value> = ["a", "<b>"].into_iter().take(objects).map(object).collect();
        let Inspected { text, error } = InspectFormat::parse(format).unwrap().all(&objects);
        (text, error)
    }

    #[test]
    fn inspecting() {
        assert_eq!(
            inspect("json", 2),
            (r#"[{"Id":"a","Labels":null},{"Id":"<b>","Labels":null}]"#.to_owned() + "\n", None)
        );
        assert_eq!(inspect("json", 0), ("[]\n".to_owned(), None));
        assert_eq!(inspect("{{.Id}}", 0), ("\n".to_owned(), None));
        assert_eq!(inspect(" {{.Id}}\\t", 2), (" a\\t\n <b>\\t\n".to_owned(), None));
        let error = "template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"".to_owned();
        assert_eq!(inspect("{{.Nope}}", 2), ("\n".to_owned(), Some(error)));
        let (text, error) = inspect("{{if eq .Id \"a\"}}x{{else}}y{{.Nope}}{{end}}", 2);
        assert_eq!((text.as_str(), error.is_some()), ("x\n", true));
    }
}
