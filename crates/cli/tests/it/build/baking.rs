//! `buildx bake`: targets of real files, built by the real binary.

use serde_json::Value;
use wharfie_testkit::Host;

use super::context;
use crate::host;

const FILE: &str = r#"
variable "TAG" { default = "1" }
group "default" { targets = ["web", "tool"] }
target "base" {
  context = "ctx"
  args = { WORD = "base" }
}
target "web" {
  inherits = ["base"]
  tags = ["web:${TAG}"]
  labels = { of = "web-${upper("x")}" }
}
target "tool" {
  inherits = ["base"]
  tags = ["tool:${TAG}"]
  args = { WORD = "tool" }
}
target "stacked" {
  dockerfile-inline = "FROM below\nLABEL stacked=1\n"
  contexts = { below = "target:web" }
  tags = ["stacked:1"]
}
"#;

fn baker() -> Host {
    let host = host();
    context(&host, &[("Dockerfile", "FROM scratch\nARG WORD\nCOPY a /a\nLABEL word=$WORD\n"), ("a", "1")]);
    host.file("docker-bake.hcl", FILE.as_bytes());
    host
}

fn label(host: &Host, image: &str, name: &str) -> String {
    host.run(&["inspect", "-f", &format!("{{{{index .Config.Labels {name:?}}}}}"), image]).succeeds().trim_end().into()
}

#[test]
fn groups_variables_and_inherited_targets_become_images() {
    let host = baker();
    host.run(&["buildx", "bake", "--progress=quiet"]).succeeds();
    assert_eq!((label(&host, "web:1", "word"), label(&host, "web:1", "of")), ("base".into(), "web-X".into()));
    assert_eq!(label(&host, "tool:1", "word"), "tool");
    // The environment, a flag and --set, each over the one before.
    let mut command = host.command(&["buildx", "bake", "web", "--set", "web.args.WORD=set"]);
    assert!(command.env("TAG", "2").output().unwrap().status.success());
    assert_eq!(label(&host, "web:2", "word"), "set");
    host.run(&["buildx", "bake", "--var", "TAG=3", "--set", "*.args.WORD=all", "tool"]).succeeds();
    assert_eq!(label(&host, "tool:3", "word"), "all");
}

#[test]
fn a_target_is_made_from_another_one() {
    let host = baker();
    host.run(&["buildx", "bake", "stacked", "--metadata-file", "meta"]).succeeds();
    assert_eq!((label(&host, "stacked:1", "word"), label(&host, "stacked:1", "stacked")), ("base".into(), "1".into()));
    let meta: Value = serde_json::from_slice(&std::fs::read(host.path().join("meta")).unwrap()).unwrap();
    let id = host.run(&["inspect", "-f", "{{.Id}}", "stacked:1"]).succeeds();
    assert_eq!(meta["stacked"]["containerimage.config.digest"], id.trim_end());
}

#[test]
fn compose_files_and_json_are_read_as_well() {
    let host = baker();
    host.file(
        "compose.yaml",
        b"services:\n  app:\n    image: app:1\n    build:\n      context: ctx\n      args:\n        WORD: composed\n",
    );
    host.run(&["buildx", "bake", "-f", "compose.yaml"]).succeeds();
    assert_eq!(label(&host, "app:1", "word"), "composed");
    let json = br#"{"target": {"default": {"context": "ctx", "tags": ["js:1"], "args": {"WORD": "json"}}}}"#;
    host.run_with(&["buildx", "bake", "-f", "-"], json).succeeds();
    assert_eq!(label(&host, "js:1", "word"), "json");
}

#[test]
fn what_would_be_built_is_shown_and_nothing_is_done() {
    let host = baker();
    let shown = host.run(&["buildx", "bake", "--print", "web"]).succeeds();
    let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
    assert_eq!(shown["target"]["web"]["tags"], serde_json::json!(["web:1"]));
    assert_eq!(shown["target"]["web"]["args"]["WORD"], "base");
    host.run(&["images", "-aq"]).prints("");
    let listed = host.run(&["buildx", "bake", "--list=targets"]).succeeds();
    assert!(listed.contains("stacked"), "{listed}");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_built() {
    let host = baker();
    for (words, said) in [
        (&["nope"][..], "failed to find target nope"),
        (&["--set", "web.nonsense=1"], "unknown key"),
        (&["-f", "missing.hcl"], "missing.hcl"),
    ] {
        let refused = host.run(&[&["buildx", "bake"], words].concat());
        assert!(refused.code == 1 && refused.stderr.contains(said), "{words:?}: {}", refused.stderr);
    }
    // What is outside of the project has to be allowed.
    host.file(
        "docker-bake.hcl",
        b"target \"default\" {\n  context = \"/etc\"\n  dockerfile-inline = \"FROM scratch\\n\"\n}\n",
    );
    let refused = host.run(&["buildx", "bake"]);
    assert!(refused.code == 1 && refused.stderr.contains("--allow=fs.read=/etc"), "{}", refused.stderr);
    host.run(&["images", "-aq"]).prints("");
}
