//! Templates: no text makes parsing or running panic, recurse without end or print without bound.

use wharfie::render::template::{Mode, Template};
use wharfie::render::value::{Field, Value};

/// Insists on it for one input.
pub(crate) fn run(text: &str) {
    let Ok(template) = Template::parse(text) else {
        return;
    };
    let dot = Value::document(vec![
        Field::named("ID", "Id", "sha256:é"),
        Field::new("L", Value::list([Value::Int(-1), Value::Float(0.5), Value::Nil, Value::str("x")])),
        Field::new("M", Value::map([("k", Value::Bool(true)), ("n", Value::List(None))])),
        Field::method("F", |args| args.first().cloned().ok_or_else(|| "no argument".to_owned())),
    ]);
    for mode in [Mode::Data, Mode::Header] {
        if let Ok(printed) = template.execute(&dot, mode) {
            assert!(printed.len() <= 16 << 20);
        }
    }
}
