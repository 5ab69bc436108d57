//! What targets come to: files merged, targets inherited, prints.

use wharfie_bake::{List, list_targets, print};

use crate::kit::{file, hcl, pairs};

const BASIC: &str = r#"
group "default" {
  targets = ["db", "webapp"]
}
target "db" {
  context = "./db"
  tags = ["docker.io/tonistiigi/db"]
  output = ["type=image"]
}
target "webapp" {
  context = "./dir"
  dockerfile = "Dockerfile-alternate"
  args = {
    buildno = "123"
  }
  output = [
    { type = "image" }
  ]
}
target "cross" {
  platforms = [
    "linux/amd64",
    "linux/arm64"
  ]
}
target "webapp-plus" {
  inherits = ["webapp", "cross"]
  args = {
    IAMCROSS = "true"
  }
}
"#;

#[test]
fn targets_are_printed_as_buildx_does() {
    let expected = r#"{
  "group": {
    "default": {
      "targets": [
        "db",
        "webapp"
      ]
    }
  },
  "target": {
    "db": {
      "context": "db",
      "dockerfile": "Dockerfile",
      "tags": [
        "docker.io/tonistiigi/db"
      ],
      "output": [
        {
          "type": "image"
        }
      ]
    },
    "webapp": {
      "context": "dir",
      "dockerfile": "Dockerfile-alternate",
      "args": {
        "buildno": "123"
      },
      "output": [
        {
          "type": "image"
        }
      ]
    }
  }
}
"#;
    assert_eq!(print(&hcl(BASIC).bake()), expected);
}

#[test]
fn every_attribute_is_printed_in_order() {
    let text = r#"
target "default" {
  description = "all of it"
  annotations = ["index:a=b"]
  attest = ["type=sbom,disabled=true,generator=foo", { type = "provenance", mode = "max" }]
  context = "."
  contexts = { base = "docker-image://alpine" }
  dockerfile-inline = "FROM a$${b}"
  args = { A = 1, B = null, C = "$${x}" }
  labels = { l = "<v>" }
  tags = ["a", "a", "", "b"]
  cache-from = ["user/app:cache,other", "type=local,src=path"]
  cache-to = [{ type = "local", dest = "path" }]
  target = "t"
  secret = ["id=s,env=TOKEN", { id = "f", src = "file" }]
  ssh = ["default", { id = "key", paths = ["k"] }]
  platforms = ["linux/amd64"]
  output = ["type=oci,dest=../out.tar", "out"]
  pull = true
  no-cache = false
  network = "host"
  no-cache-filter = ["x"]
  shm-size = "128m"
  ulimits = ["nofile=1024:1024"]
  resources = { memory = "1g", cpu-shares = 2 }
  call = "check"
  entitlements = ["security.insecure"]
  extra-hosts = { h = "1.2.3.4" }
  unknown = missing
}
"#;
    let expected = r#"{
  "group": {
    "default": {
      "targets": [
        "default"
      ]
    }
  },
  "target": {
    "default": {
      "description": "all of it",
      "annotations": [
        "index:a=b"
      ],
      "attest": [
        {
          "disabled": true,
          "generator": "foo",
          "type": "sbom"
        },
        {
          "mode": "max",
          "type": "provenance"
        }
      ],
      "context": ".",
      "contexts": {
        "base": "docker-image://alpine"
      },
      "dockerfile": "Dockerfile",
      "dockerfile-inline": "FROM a$${b}",
      "args": {
        "A": "1",
        "C": "$${x}"
      },
      "labels": {
        "l": "\u003cv\u003e"
      },
      "tags": [
        "a",
        "b"
      ],
      "cache-from": [
        {
          "ref": "user/app:cache",
          "type": "registry"
        },
        {
          "ref": "other",
          "type": "registry"
        },
        {
          "src": "path",
          "type": "local"
        }
      ],
      "cache-to": [
        {
          "dest": "path",
          "type": "local"
        }
      ],
      "target": "t",
      "secret": [
        {
          "id": "s",
          "env": "TOKEN"
        },
        {
          "id": "f",
          "src": "file"
        }
      ],
      "ssh": [
        {
          "id": "default"
        },
        {
          "id": "key",
          "paths": [
            "k"
          ]
        }
      ],
      "platforms": [
        "linux/amd64"
      ],
      "output": [
        {
          "dest": "../out.tar",
          "type": "oci"
        },
        {
          "dest": "out",
          "type": "local"
        }
      ],
      "pull": true,
      "no-cache": false,
      "network": "host",
      "no-cache-filter": [
        "x"
      ],
      "shm-size": "128m",
      "ulimits": [
        "nofile=1024:1024"
      ],
      "resources": {
        "memory": "1g",
        "cpu-shares": 2
      },
      "call": "check",
      "entitlements": [
        "security.insecure",
        "network.host"
      ],
      "extra-hosts": {
        "h": "1.2.3.4"
      }
    }
  }
}
"#;
    assert_eq!(print(&hcl(text).bake()), expected);
}

#[test]
fn targets_inherit() {
    let plus = hcl(BASIC).target("webapp-plus");
    assert_eq!(plus.args.into_iter().collect::<Vec<_>>(), pairs(&[("IAMCROSS", "true"), ("buildno", "123")]));
    assert_eq!(plus.platforms.unwrap().len(), 2);
    assert_eq!(plus.dockerfile.as_deref(), Some("Dockerfile-alternate"));
    let diamond = hcl(
        "target \"a\" {\n args = { x = \"a\" }\n tags = [\"a\"]\n}\ntarget \"b\" {\n inherits = [\"a\"]\n args = { x = \"b\" }\n}\ntarget \"c\" {\n inherits = [\"a\"]\n tags = [\"c\"]\n}\ntarget \"d\" {\n inherits = [\"b\", \"c\"]\n}\n",
    );
    let diamond = diamond.target("d");
    assert_eq!((diamond.args["x"].as_str(), diamond.tags), ("a", Some(vec!["c".to_owned()])));
    // As with buildx, whoever inherits itself inherits nothing more.
    let circle = hcl(
        "target \"a\" {\n inherits = [\"b\"]\n args = { a = \"1\" }\n}\ntarget \"b\" {\n inherits = [\"a\"]\n args = { b = \"2\" }\n}\n",
    );
    assert_eq!(circle.args("a"), pairs(&[("a", "1"), ("b", "2")]));
}

#[test]
fn files_are_merged() {
    let asked = hcl("group \"default\" {\n targets = [\"a\"]\n}\ntarget \"meta\" {}\ntarget \"a\" {\n inherits = [\"meta\"]\n context = \"x\"\n}\n")
        .and("meta.json", r#"{"target": [{"meta": [{"tags": ["app/a:1.0.0", "app/a:latest"]}]}]}"#)
        .and("override.hcl", "target \"a\" {\n dockerfile = \"D\"\n}\n");
    let a = asked.target("a");
    assert_eq!(a.tags, Some(vec!["app/a:1.0.0".to_owned(), "app/a:latest".to_owned()]));
    assert_eq!((a.context.as_deref(), a.dockerfile.as_deref()), (Some("x"), Some("D")));
    let vars = hcl("variable \"ABC\" {\n default = \"foo\"\n}\nvariable \"DEF\" {\n default = \"\"\n}\ntarget \"one\" {\n args = { a = \"pre-${ABC}\" }\n}\ntarget \"two\" {\n args = { b = \"pre-${DEF}\" }\n}\n")
        .and("foo.json", r#"{"variable": {"DEF": {"default": "bar"}}, "target": { "one": { "args": {"a": "pre-${ABC}-${DEF}"}} } }"#)
        .and("bar.json", r#"{"ABC": "ghi", "DEF": "jkl"}"#);
    assert_eq!(vars.args("one"), pairs(&[("a", "pre-ghi-jkl")]));
    assert_eq!(vars.args("two"), pairs(&[("b", "pre-jkl")]));
    let unnamed = file("bakefile", "target \"default\" {\n tags = [\"h\"]\n}\n")
        .and("other", r#"{"target": {"default": {"target": "j"}}}"#);
    assert_eq!(unnamed.target("default").target.as_deref(), Some("j"));
}

#[test]
fn groups_are_chosen() {
    let text = "group \"all\" {\n targets = [\"more\", \"c\"]\n}\ngroup \"more\" {\n targets = [\"a\", \"b\"]\n}\ntarget \"a\" {}\ntarget \"b\" {}\ntarget \"c\" {}\n";
    let all = hcl(text).targets(&["all"]).bake();
    assert_eq!(all.order, ["a", "b", "c"]);
    assert_eq!(all.groups.keys().collect::<Vec<_>>(), ["all", "default", "more"]);
    assert_eq!(all.groups["default"].targets, ["all"]);
    let some = hcl(text).targets(&["[ab]"]).bake();
    assert_eq!(some.groups["default"].targets, ["a", "b"]);
    let dotted = hcl("target \"a_b\" {}\n").targets(&["a.b"]).bake();
    assert_eq!(dotted.order, ["a_b"]);
    let own = hcl("group \"foo\" {\n targets = [\"foo\", \"image\"]\n}\ntarget \"foo\" {}\ntarget \"image\" {}\n");
    let own = own.targets(&["foo"]).bake();
    assert_eq!(
        (own.order, own.groups["default"].targets.clone()),
        (vec!["foo".to_owned(), "image".to_owned()], vec!["foo".to_owned()])
    );
    let circle = hcl("group \"a\" {\n targets = [\"b\"]\n}\ngroup \"b\" {\n targets = [\"a\"]\n}\n");
    circle.targets(&["a"]).fails("failed to find target a");
    let empty = hcl("group \"e\" {\n targets = []\n}\ngroup \"all\" {\n targets = [\"e\"]\n}\n");
    let bake = empty.clone().targets(&["e"]).bake();
    assert!(bake.targets.is_empty() && bake.groups.contains_key("e"));
    empty.targets(&["all"]).fails("failed to find target e");
    hcl(text).targets(&["x*"]).fails("could not find any target matching \"x*\"");
    hcl(text).targets(&["x"]).fails("failed to find target x");
    hcl(text).fails("failed to find target default");
}

#[test]
fn contexts_link_targets() {
    let text = "target \"app\" {\n contexts = { base = \"target:base\" }\n}\ntarget \"base\" {\n output = [\"type=image\"]\n network = \"host\"\n}\n";
    let linked = hcl(text).targets(&["app"]).bake();
    assert_eq!(linked.order, ["app", "base"]);
    assert!(linked.targets["base"].is_linked);
    assert_eq!(linked.targets["base"].outputs.as_ref().unwrap()[0].kind, "cacheonly");
    assert_eq!(linked.targets["app"].entitlements, ["network.host"]);
    let both = hcl(text).targets(&["app", "base"]).bake();
    assert!(!both.targets["base"].is_linked);
    hcl("target \"a\" {\n contexts = { x = \"target:a\" }\n}\n")
        .targets(&["a"])
        .fails("target a cannot link to itself");
    hcl("target \"a\" {\n contexts = { x = \"target:b\" }\n}\ntarget \"b\" {\n contexts = { x = \"target:a\" }\n}\n")
        .targets(&["a"])
        .fails("infinite loop from b to a");
    hcl("target \"a\" {\n contexts = { x = \"target:b\" }\n platforms = [\"linux/amd64\", \"linux/arm64\"]\n}\ntarget \"b\" {\n platforms = [\"linux/amd64\", \"linux/s390x\"]\n}\n")
        .targets(&["a"])
        .fails("target b can't be used by a because its platforms [linux/amd64 linux/arm64] are not a subset of [linux/amd64 linux/s390x]");
}

#[test]
fn builtin_variables_are_known() {
    let asked = hcl("target \"default\" {\n context = BAKE_CMD_CONTEXT\n args = { p = BAKE_LOCAL_PLATFORM }\n}\n");
    assert_eq!(asked.args("default"), pairs(&[("p", "linux/amd64")]));
    assert_eq!(asked.target("default").context.as_deref(), Some("."));
    let epoch = hcl("target \"default\" {}\n").env("SOURCE_DATE_EPOCH", "1");
    assert_eq!(epoch.args("default"), pairs(&[("SOURCE_DATE_EPOCH", "1")]));
}

#[test]
fn targets_are_listed() {
    let asked = hcl(
        "group \"default\" {\n targets = [\"lint\", \"build\"]\n}\ngroup \"g\" {\n description = \"some\"\n targets = [\"x\"]\n}\ntarget \"build\" {\n description = \"Builds it\"\n}\ntarget \"_common\" {}\ntarget \"lint\" {}\n",
    );
    let table = asked.with(|request| list_targets(request, false)).unwrap();
    assert_eq!(table, "TARGET\tDESCRIPTION\nbuild\tBuilds it\ndefault\tbuild, lint\ng\tsome (x)\nlint\t\n");
    let json = asked.with(|request| List::parse("type=targets,format=json").unwrap().print(request)).unwrap();
    assert!(json.starts_with("[\n  {\n    \"name\": \"build\",\n    \"description\": \"Builds it\"\n  },\n"), "{json}");
    assert!(json.contains("\"description\": \"build, lint\",\n    \"group\": true\n"), "{json}");
    assert!(json.ends_with("  {\n    \"name\": \"lint\"\n  }\n]\n"), "{json}");
    for (text, expected) in [
        ("x", "invalid list type \"x\""),
        ("type=targets,format=x", "invalid list format \"x\""),
        ("type=targets,a=b", "unexpected key 'a' in 'a=b'"),
    ] {
        assert_eq!(List::parse(text).unwrap_err().to_string(), expected);
    }
}
