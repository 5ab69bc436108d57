//! Targets that refer to each other, and blocks that make several targets.

use crate::kit::{hcl, pairs};

#[test]
fn attributes_refer_to_other_targets() {
    let asked = hcl(
        "target \"foo\" {\n dockerfile = \"xxx\"\n context = target.bar.context\n target = target.foo.dockerfile\n}\ntarget \"bar\" {\n dockerfile = target.foo.dockerfile\n context = \"yyy\"\n target = target.bar.context\n}\n",
    );
    let (foo, bar) = (asked.target("foo"), asked.target("bar"));
    assert_eq!((foo.context.as_deref(), foo.target.as_deref()), (Some("yyy"), Some("xxx")));
    assert_eq!((bar.dockerfile.as_deref(), bar.target.as_deref()), (Some("xxx"), Some("yyy")));
    let global = hcl(
        "target \"foo\" {\n dockerfile = \"x\"\n}\nx = target.foo.dockerfile\ny = x\ntarget \"bar\" {\n dockerfile = y\n}\n",
    );
    assert_eq!(global.target("bar").dockerfile.as_deref(), Some("x"));
    let name = hcl("target \"foo\" {\n dockerfile = target.foo.name\n}\n");
    assert_eq!(name.target("foo").dockerfile.as_deref(), Some("foo"));
    let nothing = hcl("target \"foo\" {\n context = target.foo.dockerfile\n target = target.foo.context\n}\n");
    assert_eq!(nothing.target("foo").target, None);
    let args =
        hcl("target \"x\" {\n args = { y = \"z\" }\n}\ntarget \"default\" {\n args = { a = target.x.args.y }\n}\n");
    assert_eq!(args.args("default"), pairs(&[("a", "z")]));
}

#[test]
fn references_in_circles_are_told() {
    hcl("target \"default\" {\n dockerfile = target.default.dockerfile\n}\n")
        .fails("reference cycle not allowed for target.default.dockerfile");
    hcl("target \"foo\" {\n dockerfile = target.bar.dockerfile\n}\ntarget \"bar\" {\n dockerfile = target.foo.dockerfile\n}\n")
        .fails("reference cycle not allowed for target.");
    hcl("target \"default\" {\n args = target\n}\n").fails("cannot access target as a variable");
    hcl("target \"default\" {\n tags = [target.nope.name]\n}\n").fails("nope");
}

#[test]
fn a_matrix_makes_targets() {
    let basic = hcl("target \"default\" {\n matrix = {\n foo = [\"x\", \"y\"]\n }\n name = foo\n dockerfile = \"${foo}.Dockerfile\"\n}\n").bake();
    assert_eq!(basic.order, ["x", "y"]);
    assert_eq!(basic.groups["default"].targets, ["x", "y"]);
    assert_eq!(basic.targets["x"].dockerfile.as_deref(), Some("x.Dockerfile"));
    let several = hcl("target \"default\" {\n matrix = {\n foo = [\"a\"]\n bar = [\"b\", \"c\"]\n baz = [\"d\", \"e\", \"f\"]\n }\n name = \"${foo}-${bar}-${baz}\"\n}\n").bake();
    assert_eq!(several.targets.keys().collect::<Vec<_>>(), ["a-b-d", "a-b-e", "a-b-f", "a-c-d", "a-c-e", "a-c-f"]);
    let objects = hcl(
        "target \"foo\" {\n matrix = {\n aa = [{ foo = \"aa\", bar = \"bb\" }, { foo = \"cc\", bar = \"dd\" }]\n }\n name = aa.foo\n args = { target = \"val${aa.bar}\" }\n}\n",
    );
    assert_eq!(objects.args("cc"), pairs(&[("target", "valdd")]));
    let split = hcl("target \"x\" {\n name = \"y\"\n matrix = {}\n dockerfile = \"foo\"\n}\ntarget \"x\" {\n name = \"z\"\n matrix = {}\n}\n").targets(&["x"]).bake();
    assert_eq!(split.targets.keys().collect::<Vec<_>>(), ["y", "z"]);
    let indexed = hcl("variable \"V\" {\n default = [\"1.42.4\", \"1.42.3\"]\n}\ntarget \"default\" {\n matrix = { v = V }\n name=\"app-${replace(v, \".\", \"-\")}\"\n tags = [\"app:${v}\", indexof(V, v) == 0 ? \"app:latest\" : \"\"]\n}\n").bake();
    assert_eq!(indexed.targets["app-1-42-4"].tags, Some(vec!["app:1.42.4".to_owned(), "app:latest".to_owned()]));
    assert_eq!(indexed.targets["app-1-42-3"].tags, Some(vec!["app:1.42.3".to_owned()]));
}

#[test]
fn renamed_targets_are_referred_to_by_their_new_name() {
    let asked = hcl(
        "target \"def\" {\n dockerfile = target.xyz.dockerfile\n}\ntarget \"abc\" {\n name = \"xyz\"\n matrix = {}\n dockerfile = \"foo\"\n}\n",
    );
    assert_eq!(asked.target("def").dockerfile.as_deref(), Some("foo"));
    hcl("target \"def\" {\n dockerfile = target.abc.dockerfile\n}\ntarget \"abc\" {\n name = \"xyz\"\n matrix = {}\n}\n").fails("abc");
}

#[test]
fn a_bad_matrix_is_told() {
    for (matrix, expected) in [
        ("\"test\"", "matrix must be a map"),
        ("[\"test\"]", "matrix must be a map"),
        ("{ 1 = 2 }", "matrix values must be a list"),
        ("{ a = \"b\" }", "matrix values must be a list"),
        ("{ a = range(1000), b = range(1000) }", "matrix has more than"),
    ] {
        hcl(&format!("target \"default\" {{\n matrix = {matrix}\n}}\n")).fails(expected);
    }
    hcl("target \"default\" {\n matrix = { foo = [\"a\", \"b\"] }\n name = \"c\"\n}\n").fails("duplicate name \"c\"");
    hcl("target \"abc\" {\n name = \"xyz\"\n}\n").fails("name requires matrix");
    hcl("group \"foo\" {\n name = \"bar\"\n targets = [\"x\"]\n}\n").fails("name is not supported for groups");
    hcl("group \"foo\" {\n matrix = { name = [\"x\"] }\n}\n").fails("matrix is not supported for groups");
    hcl("target \"a.b\" {}\n").fails("Invalid name; only \"[a-zA-Z0-9_-]+\" are allowed");
}
