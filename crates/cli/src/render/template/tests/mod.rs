//! Templates against one small image, one feature per file.

mod errors;
mod functions;
mod hostile;
mod language;
mod printf;

use super::{Mode, Template};
use crate::render::value::{Field, Value};

/// A document in the shape of `image inspect`.
fn image() -> Value {
    let labels = Value::map([("a", Value::str("1")), ("com.x.k", Value::str("<v>"))]);
    let config = Value::document(vec![
        Field::new("Cmd", Value::list(["sh", "-c"].map(Value::from))),
        Field::new("Entrypoint", Value::List(None)),
        Field::new("ExposedPorts", Value::map([("80/tcp", Value::object("struct {}", vec![]))])),
        Field::new("Labels", labels),
        Field::new("Volumes", Value::Map(None)),
        Field::new("User", ""),
    ]);
    Value::document(vec![
        Field::named("ID", "Id", "sha256:abc"),
        Field::new("RepoTags", Value::list(["web:1", "web:2"].map(Value::from))),
        Field::new("RepoDigests", Value::list([])),
        Field::new("Config", config),
        Field::new("Healthcheck", Value::Nil),
        Field::new("Size", Value::Int(5)),
        Field::new("Wait", Value::Duration(1_500_000_000)),
        Field::new("Ratio", Value::Float(0.5)),
        Field::new("Tty", Value::Bool(false)),
        Field::new("When", Value::Time("2026-11-23T04:44:00.434985844Z".parse().unwrap())),
    ])
}

/// A row in the shape of `images` and `ps`.
fn row() -> Value {
    Value::row(
        "*formatter.imageContext",
        vec![
            Field::new("Repository", "web"),
            Field::new("Tag", "<none>"),
            Field::new("ID", "e5254817d90a"),
            Field::method("Label", |args| match args {
                [name] => Ok(Value::from(format!("value of {}", name.as_str().unwrap_or("?")))),
                args => Err(format!("wrong number of args for Label: want 1 got {}", args.len())),
            }),
            Field::method("Broken", |_| Err("it is broken".to_owned())),
        ],
    )
}

fn run(template: &str, dot: &Value) -> Result<String, String> {
    let template = Template::parse(template).map_err(|error| error.to_string())?;
    template.execute(dot, Mode::Data).map_err(|error| error.to_string())
}

fn check(template: &str, expected: &str) {
    assert_eq!(run(template, &image()).as_deref(), Ok(expected), "{template}");
}

fn check_row(template: &str, expected: &str) {
    assert_eq!(run(template, &row()).as_deref(), Ok(expected), "{template}");
}

fn fails(template: &str, expected: &str) {
    assert_eq!(run(template, &image()), Err(expected.to_owned()), "{template}");
}

fn row_fails(template: &str, expected: &str) {
    assert_eq!(run(template, &row()), Err(expected.to_owned()), "{template}");
}
