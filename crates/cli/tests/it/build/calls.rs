//! What is asked of a Dockerfile instead of building it.

use super::context;
use crate::host;

#[test]
fn checks_are_docker_s() {
    let host = host();
    context(&host, &[("Dockerfile", "FROM scratch as base\nfrom base\nENV a b\nCOPY nowhere /x\n")]);
    for words in [["build", "--check"], ["build", "--call=check"], ["buildx", "build"]] {
        let all = match words[0] {
            "buildx" => vec!["buildx", "build", "--call", "lint", "ctx"],
            _ => vec![words[0], words[1], "ctx"],
        };
        let outcome = host.run(&all);
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        for rule in ["FromAsCasing", "ConsistentInstructionCasing", "LegacyKeyValueFormat"] {
            assert!(outcome.stdout.contains(&format!("WARNING: {rule}")), "{rule}: {}", outcome.stdout);
        }
        assert!(outcome.stdout.contains("Dockerfile:1\n--------------------\n"), "{}", outcome.stdout);
    }
    let json = host.run(&["build", "--call=check,format=json", "ctx"]);
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["warnings"].as_array().unwrap().len(), 3, "{}", json.stdout);
    context(&host, &[("Dockerfile", "FROM scratch AS base\n")]);
    let good = host.run(&["build", "--check", "ctx"]);
    assert_eq!((good.code, good.stdout.as_str()), (0, "Check complete, no warnings found.\n"));
    context(&host, &[("Dockerfile", "# check=error=true\nFROM scratch as base\nLABEL a=1\n")]);
    let failed = host.run(&["build", "ctx"]);
    assert!(
        failed.code == 1 && failed.stderr.contains("lint violation found for rules: FromAsCasing"),
        "{}",
        failed.stderr
    );
    assert_eq!(host.run(&["images", "-aq"]).succeeds(), "");
}

#[test]
fn warnings_of_a_build_are_told_at_its_end() {
    let host = host();
    context(&host, &[("Dockerfile", "FROM scratch as base\nLABEL a=1\n")]);
    let outcome = host.run(&["build", "--progress=plain", "ctx"]);
    assert_eq!(outcome.code, 0);
    let expected = "\n 1 warning found (use docker --debug to expand):\n - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)\n";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
}

#[test]
fn outlines_and_targets_are_listed() {
    let host = host();
    let text = "# V is the version\nARG V=1\n# first is where it begins\nFROM scratch AS first\nARG V\nLABEL v=$V\nFROM first AS second\nRUN --mount=type=secret,id=token,required true\n";
    context(&host, &[("Dockerfile", text)]);
    let outline = host.run(&["build", "--call=outline", "ctx"]).succeeds();
    for part in ["TARGET:", "second", "BUILD ARG", "V", "SECRET", "token"] {
        assert!(outline.contains(part), "{part}: {outline}");
    }
    let targets = host.run(&["build", "--call", "targets", "ctx"]).succeeds();
    assert_eq!(targets, "TARGET           DESCRIPTION\nfirst            is where it begins\nsecond (default) \n");
    let json = host.run(&["build", "--call", "targets,format=json", "ctx"]).succeeds();
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["targets"][0]["name"], "first");
    assert_eq!(document["targets"][1]["default"], true);
    let json = host.run(&["build", "--call", "outline,format=json", "--build-arg", "V=7", "ctx"]).succeeds();
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&document["args"][0]["name"], &document["args"][0]["value"]), (&"V".into(), &"7".into()), "{json}");
    assert_eq!(document["secrets"][0]["name"], "token");
    let bad = host.run(&["build", "--call=poem", "ctx"]);
    assert!(bad.code == 1 && bad.stderr.contains("poem"), "{}", bad.stderr);
}
