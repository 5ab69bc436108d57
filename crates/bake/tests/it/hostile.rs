//! The body of the fuzz target on hand-made inputs, cut anywhere and with every byte changed.

#[path = "../../../../fuzz/bodies/bake.rs"]
mod body;

const HCL: &str = r#"variable "A" {
  type = list(string)
  default = ["x"]
  validation {
    condition = length(A) > 0
    error_message = "no"
  }
}
function "f" {
  params = [a]
  variadic_params = b
  result = "${a}-${length(b)}"
}
target "x" {
  matrix = { v = A, w = range(2) }
  name = "x-${v}-${w}"
  args = { a = f(v, 1)[0], b = { for k, e in {a = 1} : k => e if e > 0 }.a }
  tags = [try(missing.a, format("%-5s|%03d", v, w)), "%{ if w == 0 ~} a %{ else } b %{ endif }"]
  output = ["type=oci,dest=a", { type = "image" }]
}
target "y" {
  inherits = ["x-x-0"]
  contexts = { b = "target:x-x-1" }
  dockerfile-inline = <<-EOT
    FROM ${target.y.contexts.b}
  EOT
}
"#;

const JSON: &str = r#"{"variable": {"A": {"default": null}}, "group": {"default": {"targets": ["a"]}},
"target": [{"a": [{"args": {"b": "${upper(\"c\")}-${A}", "n": 1.5}, "cache-from": ["a,b"]}]}]}"#;

const COMPOSE: &str = "x-a: &a {A: 1}
services:
  a:
    extends: {service: b, file: other.yml}
    build: {context: ., args: {<<: *a, B: \"${A:-${C:?d}}\"}, shm_size: 1m, ulimits: {n: {soft: 1, hard: 2}}}
  b:
    build: .
secrets:
  s: {file: f}
";

#[test]
fn whole_texts_are_read() {
    [HCL, JSON, COMPOSE, ""].into_iter().for_each(body::run);
}

#[test]
fn cut_texts_are_survived() {
    for text in [HCL, JSON, COMPOSE] {
        text.char_indices().for_each(|(at, _)| body::run(&text[..at]));
    }
}

#[test]
fn changed_texts_are_survived() {
    for text in [HCL, JSON, COMPOSE] {
        for at in 0..text.len() {
            for byte in [b'"', b'}', b'$'] {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                body::run(&String::from_utf8(changed).expect("it is ASCII"));
            }
        }
    }
}
