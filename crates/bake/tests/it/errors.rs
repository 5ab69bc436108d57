//! What is wrong, and where; and that nothing foreign takes forever.

use crate::kit::{Asked, file, hcl};

#[test]
fn places_are_told() {
    hcl("target \"default\" {\n  tags = [missing]\n}\n")
        .fails("docker-bake.hcl:2,11-18: Unknown variable; There is no variable named \"missing\".");
    hcl("variable \"mising\" {}\ntarget \"default\" {\n  tags = [missing]\n}\n").fails("Did you mean \"mising\"?");
    hcl("target \"default\" {\n  tags = \"x\"\n}\n")
        .fails("docker-bake.hcl:2,10-13: Unsuitable value type; Unsuitable value: list of string required");
    hcl("group \"default\" {}\n").fails("docker-bake.hcl:1,1-16: Missing required argument; The argument \"targets\" is required, but no definition was found.");
    for (text, expected) in [
        (
            "a = \n",
            "docker-bake.hcl:1,5-6: Invalid expression; Expected the start of an expression, but found an invalid expression token.",
        ),
        (
            "a = 1 b\n",
            "docker-bake.hcl:1,7-8: Missing newline after argument; An argument definition must end with a newline.",
        ),
        (
            "target \"a\" {\n",
            "Unclosed configuration block; There is no closing brace for this block before the end of the file.",
        ),
        ("target \"a\"\n", "Invalid block definition; A block definition must have block content"),
        ("foo\n", "Argument or block definition required"),
        ("a = 1\na = 2\n", "docker-bake.hcl:2,1-2: Attribute redefined; The argument \"a\" was already set."),
        ("a = [1 2]\n", "Missing item separator; Expected a comma to mark the beginning of the next item."),
    ] {
        hcl(text).fails(expected);
    }
    file("x.json", "{").fails("x.json: Invalid JSON");
    file("x.json", r#"{"target": {"default": {"args": {"a": "${missing}"}}}}"#).fails("x.json: Unknown variable");
    Asked::default().fails("couldn't find a bake definition");
}

#[test]
fn all_mistakes_are_counted() {
    let asked = hcl(
        "target \"default\" {\n  attest = [\"type=sbom,disabled=${SBOM}\"]\n  cache-from = [{ type = \"registry\", ref = \"user/app:${FOO1}\" }, \"type=local,src=${FOO2}\"]\n  ssh = [{ id = \"key\", paths = [\"path/${KEY}\"] }]\n}\n",
    );
    let error = asked.read().unwrap_err();
    let names: Vec<_> = error.diagnostics().iter().map(|one| one.detail.as_str()).collect();
    assert_eq!(names.len(), 4);
    for name in ["SBOM", "FOO1", "FOO2", "KEY"] {
        assert!(names.iter().any(|detail| detail.contains(&format!("\"{name}\""))), "{names:?}");
    }
    assert!(error.to_string().ends_with(", and 3 other diagnostic(s)"), "{error}");
}

#[test]
fn entries_are_checked() {
    for (attribute, expected) in [
        ("output = [\"a=b,c=d\"]", "type is required for output"),
        ("cache-from = [\"ref=x\"]", "type required for \"ref=x\""),
        ("secret = [\"x\"]", "invalid field 'x' must be a key=value pair"),
        ("secret = [\"id=a,foo=b\"]", "unexpected key 'foo' in 'foo=b'"),
        ("attest = [\"mode=max\"]", "attestation type not specified"),
        ("attest = \"x\"", "list of map of string required"),
        ("context = \"-\"", "context from stdin not allowed in bake"),
        ("pull = \"x\"", "a bool is required"),
        ("tags = [[1]]", "Unsuitable value: element 0: string required"),
        ("args = { a = [] }", "Unsuitable value: element \"a\": string required"),
    ] {
        hcl(&format!("target \"default\" {{\n  {attribute}\n}}\n")).fails(expected);
    }
}

#[test]
fn depth_is_bounded() {
    let nested = format!("x = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert!(hcl(&nested).read().is_err());
    assert!(hcl(&format!("x = {}1\n", "1 + ".repeat(100_000))).read().is_err());
    assert!(hcl(&format!("x = {}1\n", "true ? 1 : ".repeat(10_000))).read().is_err());
}

#[test]
fn depth_of_json_is_bounded() {
    let json = format!("{{\"x\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(file("x.json", &json).read().is_err());
    let json = format!("{{\"x\": {}{}, \"target\": {{\"default\": {{}}}}}}", "[".repeat(48), "]".repeat(48));
    assert!(file("x.json", &json).read().is_ok());
}

#[test]
fn chains_are_bounded() {
    let chain: String = (0..10_000).map(|at| format!("v{at} = v{}\n", at + 1)).collect();
    hcl(&chain).fails("too deeply");
    let inherits: String =
        (0..5_000).map(|at| format!("target \"t{at}\" {{\n inherits = [\"t{}\"]\n}}\n", at + 1)).collect();
    hcl(&inherits).targets(&["t0"]).fails("too deeply");
    let groups: String =
        (0..5_000).map(|at| format!("group \"g{at}\" {{\n targets = [\"g{}\"]\n}}\n", at + 1)).collect();
    hcl(&groups).targets(&["g0"]).fails("too deeply");
}

#[test]
fn chains_of_functions_are_bounded() {
    let functions: String =
        (0..200).map(|at| format!("function \"f{at}\" {{\n params = []\n result = f{}()\n}}\n", at + 1)).collect();
    hcl(&functions).fails("too deeply");
}

#[test]
fn depth_of_functions_is_bounded() {
    let open = "(".repeat(50);
    let close = ")".repeat(50);
    let functions: String = (0..40)
        .map(|at| format!("function \"f{at}\" {{\n params = []\n result = {open}f{}(){close}\n}}\n", at + 1))
        .collect();
    hcl(&format!("{functions}function \"f40\" {{\n params = []\n result = 1\n}}\na = f0()\ntarget \"default\" {{}}\n"))
        .fails("nested too deeply");
}

#[test]
fn depth_of_values_is_bounded() {
    let deeper: String = (1..5000).map(|at| format!("v{at:05} = [v{:05}]\n", at - 1)).collect();
    hcl(&format!("v00000 = []\n{deeper}target \"default\" {{}}\n")).fails("the value of v00101 is nested too deeply");
    let wrap = format!("function \"f\" {{\n params = [x]\n result = {}x{}\n}}\n", "[".repeat(60), "]".repeat(60));
    let calls = format!("a = {}1{}\ntarget \"default\" {{}}\n", "f(".repeat(60), ")".repeat(60));
    hcl(&format!("{wrap}{calls}")).fails("the result is nested too deeply");
}

#[test]
fn work_is_bounded() {
    // Each line doubles the last.
    let doubled: String = (0..60).map(|at| format!("v{} = [v{at}, v{at}]\n", at + 1)).collect();
    hcl(&format!("v0 = \"x\"\n{doubled}target \"default\" {{}}\n")).fails("too much work");
    let calls: String = (0..60)
        .map(|at| format!("function \"f{}\" {{\n params = []\n result = f{at}() + f{at}()\n}}\n", at + 1))
        .collect();
    hcl(&format!("function \"f0\" {{\n params = []\n result = 1\n}}\n{calls}x = f60()\ntarget \"default\" {{}}\n"))
        .fails("too much work");
    hcl("target \"default\" {\n args = { x = length([for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]) }\n}\n").fails("too much work");
    hcl("target \"default\" {\n args = { x = format(\"%99999999d\", 1) }\n}\n").fails("too long");
    hcl("target \"default\" {\n args = { x = setproduct(range(1000), range(1000)) }\n}\n").fails("combinations");
    hcl(&" ".repeat(2 << 20)).fails("bytes");
    let keys: String = (0..20_000).map(|at| format!("k{at}=1\n")).collect();
    hcl(&format!("a = {{\n{keys}}}\n")).fails("assignments");
}
