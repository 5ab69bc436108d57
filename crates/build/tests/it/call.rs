//! Answers to `--call`, as docker writes them.

use wharfie_build::Request;
use wharfie_build::call::{File, check, outline, targets};
use wharfie_build::dockerfile::Dockerfile;

use crate::plan::{Shelf, request, with};

fn file(text: &str) -> File<'_> {
    File { name: "Dockerfile", bytes: text.as_bytes() }
}

#[test]
fn a_check_is_written() {
    let text = "FROM a\nMAINTAINER x\n";
    let found = check(text.as_bytes(), &request(), &Shelf::default());
    assert_eq!(found.exit_code(), 1);
    assert_eq!(found.error(file(text)), None);
    assert_eq!(
        found.text(file(text)),
        "Check complete, 1 warning has been found!

WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/
Maintainer instruction is deprecated in favor of using label
Dockerfile:2
--------------------
   1 |     FROM a
   2 | >>> MAINTAINER x
   3 |     \n--------------------
"
    );
    assert_eq!(
        found.json(file(text)),
        r#"{
  "warnings": [
    {
      "ruleName": "MaintainerDeprecated",
      "description": "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
      "url": "https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/",
      "detail": "Maintainer instruction is deprecated in favor of using label",
      "location": {
        "ranges": [
          {
            "start": {
              "line": 2
            },
            "end": {
              "line": 2
            }
          }
        ]
      }
    }
  ],
  "sources": [
    {
      "filename": "Dockerfile",
      "data": "RlJPTSBhCk1BSU5UQUlORVIgeAo=",
      "language": "Dockerfile"
    }
  ]
}"#
    );
}

#[test]
fn a_check_that_finds_nothing_says_so() {
    let text = "FROM a\n";
    let found = check(text.as_bytes(), &request(), &Shelf::default());
    assert_eq!((found.exit_code(), found.text(file(text)).as_str()), (0, "Check complete, no warnings found.\n"));
    assert!(found.json(file(text)).starts_with("{\n  \"warnings\": null,\n  \"sources\": ["));
}

#[test]
fn a_check_of_a_broken_file_ends_with_the_error() {
    let text = "FROM a as b\nRUNN <x\n";
    let found = check(text.as_bytes(), &request(), &Shelf::default());
    assert_eq!(found.exit_code(), 1);
    assert!(
        found.text(file(text)).starts_with("Check complete, 1 warning has been found!\n\nWARNING: FromAsCasing - ")
    );
    assert!(found.text(file(text)).ends_with("--------------------\n\n"));
    assert_eq!(
        found.error(file(text)).unwrap(),
        "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)
Dockerfile:2
--------------------
   1 |     FROM a as b
   2 | >>> RUNN <x
   3 |     \n--------------------
"
    );
    let json = found.json(file(text));
    assert!(
        json.contains("\"buildError\": {\n    \"message\": \"dockerfile parse error on line 2: unknown instruction"),
        "{json}"
    );
    let empty = check(b"", &request(), &Shelf::default());
    assert_eq!(empty.text(file("")), "");
    assert_eq!(empty.error(file("")).unwrap(), "the Dockerfile cannot be empty\n");
    assert!(empty.json(file("")).contains("\"location\": {}"), "{}", empty.json(file("")));
}

#[test]
fn an_outline_is_written() {
    let text = "# V the version\nARG V=1\nARG UNUSED\nFROM a:$V AS base\nARG B=$V\nRUN --mount=type=secret,target=/x/token,required --mount=type=ssh x\n\
                # build makes it\nFROM base AS build\n# C is\n#\nARG C=3 V\nRUN --mount=type=secret,id=token x\nFROM a AS other\nARG O=1\n";
    let dockerfile = Dockerfile::parse(text).unwrap();
    let request = Request { target: Some("build".to_owned()), ..with(&[("C", "4")]) };
    let outline = outline(&dockerfile, &request, &Shelf::default()).unwrap();
    assert_eq!(
        outline.text(),
        "TARGET:      build\nDESCRIPTION: makes it\n\n\
         BUILD ARG   VALUE   DESCRIPTION\nV           1       the version\nB                   \nC           4       \n\n\
         SECRET   REQUIRED\ntoken    \n\nSSH       REQUIRED\ndefault   \n\n"
    );
    let json = outline.json(file(text));
    assert!(
        json.starts_with(
            "{\n  \"name\": \"build\",\n  \"description\": \"makes it\",\n  \"args\": [\n    {\n      \"name\": \"V\","
        ),
        "{json}"
    );
}

#[test]
fn an_outline_without_a_name_has_no_head() {
    let text = "FROM scratch\nARG A=1\n";
    let outline = outline(&Dockerfile::parse(text).unwrap(), &request(), &Shelf::default()).unwrap();
    assert_eq!(outline.text(), "BUILD ARG   VALUE   DESCRIPTION\nA           1       \n\n");
    let outline =
        wharfie_build::call::outline(&Dockerfile::parse("FROM a").unwrap(), &request(), &Shelf::default()).unwrap();
    assert_eq!(
        (outline.text().as_str(), outline.json(file("FROM a")).as_str()),
        ("", "{\n  \"sources\": [\n    \"RlJPTSBh\"\n  ]\n}")
    );
}

#[test]
fn targets_are_written() {
    let text = "ARG B\n# one is first\nFROM --platform=$BUILDPLATFORM $B AS ONE\nFROM x\n";
    let found = targets(&Dockerfile::parse(text).unwrap()).unwrap();
    assert_eq!(found.text(), "TARGET    DESCRIPTION\none       is first\n(default) \n");
    let json = found.json(file(text));
    assert!(
        json.starts_with(
            "{\n  \"targets\": [\n    {\n      \"name\": \"one\",\n      \"description\": \"is first\",\n      \"base\": \"$B\",\n      \"platform\": \"$BUILDPLATFORM\","
        ),
        "{json}"
    );
    let none = targets(&Dockerfile::parse("ARG A").unwrap()).unwrap();
    assert!(none.json(file("ARG A")).starts_with("{\n  \"targets\": null,"));
    assert_eq!(none.text(), "TARGET DESCRIPTION\n");
}
