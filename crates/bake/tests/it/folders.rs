//! Contexts that are named from the files that name them.

use wharfie_bake::Target;

use crate::kit::{Asked, file};

fn relative(asked: Asked) -> Asked {
    asked.env("BUILDX_BAKE_FILE_RELATIVE_PATHS", "1")
}

fn context(target: &Target) -> &str {
    target.context.as_deref().unwrap_or_default()
}

#[test]
fn contexts_are_said_from_the_file() {
    let text = r#"
target "base" {
  context = "base"
}
target "app" {
  context = "."
  contexts = {
    shared = "../shared"
    cwd = "cwd://local"
    linked = "target:base"
    image = "docker-image://alpine:latest"
  }
}
target "implicit" {
  dockerfile-inline = "FROM scratch"
}"#;
    let asked = relative(file("subdir/docker-bake.hcl", text));
    let app = asked.target("app");
    assert_eq!(context(&app), "subdir");
    let contexts: Vec<_> = app.contexts.values().map(String::as_str).collect();
    assert_eq!(contexts, ["cwd://local", "docker-image://alpine:latest", "target:base", "shared"]);
    assert_eq!(context(&asked.clone().targets(&["app"]).bake().targets["base"]), "subdir/base");
    assert_eq!(context(&asked.target("implicit")), "subdir");
    let overridden = asked.set("app.context=override").set("app.contexts.shared=own").target("app");
    assert_eq!((context(&overridden), overridden.contexts["shared"].as_str()), ("override", "own"));
    assert_eq!(context(&file("subdir/docker-bake.hcl", text).target("base")), "base");
}

#[test]
fn the_file_that_names_it_counts() {
    let first = file(
        "one/docker-bake.hcl",
        "target \"base\" {\n context = \"ctx\"\n}\ntarget \"app\" {\n context = \".\"\n}\n",
    );
    let asked = relative(first.and(
        "two/docker-bake.hcl",
        "target \"app\" {\n tags = [\"a\"]\n}\ntarget \"heir\" {\n inherits = [\"base\"]\n}\ntarget \"other\" {\n context = target.base.context\n}\n",
    ));
    for (name, expected) in [("app", "one"), ("heir", "one/ctx"), ("other", "one/ctx")] {
        assert_eq!(context(&asked.target(name)), expected, "{name}");
    }
    let compose = "services:\n  debian:\n    build:\n      context: ./d\n      additional_contexts:\n        shared: ../shared\n  implicit:\n    build:\n      dockerfile_inline: FROM scratch\n";
    let asked = relative(file("tests/docker-compose.yml", compose));
    let debian = asked.target("debian");
    assert_eq!((context(&debian), debian.contexts["shared"].as_str()), ("tests/d", "shared"));
    assert_eq!(context(&asked.target("implicit")), "tests");
    file("x.hcl", "target \"default\" {}\n")
        .env("BUILDX_BAKE_FILE_RELATIVE_PATHS", "maybe")
        .fails("failed to parse BUILDX_BAKE_FILE_RELATIVE_PATHS value \"maybe\"");
}
