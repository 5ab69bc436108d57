//! Compose files as definitions. Facts are those of buildx's tests of them.

use wharfie_bake::{CacheEntry, Secret, SshKey, default_files};

use crate::kit::{Asked, file, pairs};

fn compose(text: &str) -> Asked {
    file("docker-compose.yml", text)
}

fn lines<E>(entries: &[E], line: fn(&E) -> String) -> Vec<String> {
    entries.iter().map(line).collect()
}

#[test]
fn services_are_targets() {
    let asked = compose(
        r#"
services:
  db:
    build: ./db
    command: ./entrypoint.sh
    image: docker.io/tonistiigi/db
  webapp:
    build:
      context: ./dir
      additional_contexts:
        foo: ./bar
      dockerfile: Dockerfile-alternate
      network:
        none
      args:
        buildno: 123
      cache_from:
        - type=local,src=path/to/cache
      cache_to:
        - type=local,dest=path/to/cache
      extra_hosts:
        - "somehost:162.242.195.82"
        - "somehost:162.242.195.83"
        - "myhostv6:::1"
      ssh:
        - key=/path/to/key
        - default
      secrets:
        - token
        - source: aws
  webapp2:
    profiles:
      - test
    build:
      context: ./dir
      dockerfile_inline: |
        FROM alpine
  external:
    image: nginx
secrets:
  token:
    environment: ENV_TOKEN
  aws:
    file: /root/.aws/credentials
"#,
    );
    let bake = asked.bake();
    assert_eq!(bake.groups["default"].targets, ["db", "webapp", "webapp2"]);
    let db = &bake.targets["db"];
    assert_eq!(
        (db.context.as_deref(), db.tags.as_deref()),
        (Some("db"), Some(&["docker.io/tonistiigi/db".to_owned()][..]))
    );
    let webapp = &bake.targets["webapp"];
    assert_eq!(webapp.context.as_deref(), Some("dir"));
    assert_eq!(webapp.contexts["foo"], "bar");
    assert_eq!(webapp.dockerfile.as_deref(), Some("Dockerfile-alternate"));
    assert_eq!(webapp.network.as_deref(), Some("none"));
    assert_eq!(webapp.args["buildno"], "123");
    assert_eq!(lines(&webapp.cache_from, CacheEntry::line), ["type=local,src=path/to/cache"]);
    assert_eq!(lines(webapp.cache_to.as_ref().unwrap(), CacheEntry::line), ["type=local,dest=path/to/cache"]);
    assert_eq!(webapp.extra_hosts["somehost"], "162.242.195.82,162.242.195.83");
    assert_eq!(webapp.extra_hosts["myhostv6"], "::1");
    assert_eq!(lines(&webapp.ssh, SshKey::line), ["default", "key=/path/to/key"]);
    assert_eq!(lines(&webapp.secrets, Secret::line), ["id=token,env=ENV_TOKEN", "id=aws,src=/root/.aws/credentials"]);
    assert_eq!(bake.targets["webapp2"].dockerfile_inline.as_deref(), Some("FROM alpine\n"));
}

#[test]
fn the_extension_adds_what_compose_lacks() {
    let asked = compose(
        r"
services:
  addon:
    image: ct-addon:bar
    build:
      context: .
      cache_from:
        - user/app:cache
      cache_to:
        - user/app:cache
      tags:
        - ct-addon:baz
      ssh:
        key: /path/to/key
      x-bake:
        contexts:
          alpine: docker-image://alpine:3.13
        tags:
          - ct-addon:foo
          - ct-addon:baz
        ssh:
          - default
          - other=path/to/otherkey
        platforms:
          - linux/amd64
          - linux/arm64
        cache-from:
          - type=local,src=path/to/cache
          - user/app:cache
        pull: true
  aws:
    image: ct-fake-aws:bar
    build:
      dockerfile: ./aws.Dockerfile
      shm_size: 128m
      ulimits:
        nofile:
          soft: 1024
          hard: 1024
        nproc: 5
      x-bake:
        secret:
          - id=mysecret,src=/local/secret
        ssh: default
        platforms: linux/arm64 linux/amd64
        output: type=docker
        no-cache: true
",
    );
    let addon = asked.target("addon");
    assert_eq!(addon.tags.unwrap(), ["ct-addon:baz", "ct-addon:foo"]);
    assert_eq!(addon.platforms.unwrap(), ["linux/amd64", "linux/arm64"]);
    assert_eq!(lines(&addon.cache_from, CacheEntry::line), ["user/app:cache", "type=local,src=path/to/cache"]);
    assert_eq!(lines(&addon.ssh, SshKey::line), ["default", "key=/path/to/key", "other=path/to/otherkey"]);
    assert_eq!((addon.pull, addon.contexts["alpine"].as_str()), (Some(true), "docker-image://alpine:3.13"));
    let aws = asked.target("aws");
    assert_eq!(aws.tags.unwrap(), ["ct-fake-aws:bar"]);
    assert_eq!(aws.platforms.unwrap(), ["linux/arm64", "linux/amd64"]);
    assert_eq!(aws.outputs.unwrap()[0].line(), "type=docker");
    assert_eq!((aws.no_cache, aws.shm_size.as_deref()), (Some(true), Some("128MiB")));
    assert_eq!(aws.ulimits, ["nofile=1024:1024", "nproc=5:5"]);
    assert_eq!((aws.context.as_deref(), aws.dockerfile.as_deref()), (Some("."), Some("./aws.Dockerfile")));
}

#[test]
fn attestations_are_said_in_short() {
    let asked = compose(
        "services:\n  app:\n    build:\n      context: .\n      sbom: true\n      provenance: mode=max\n      no_cache: true\n",
    );
    let app = asked.target("app");
    assert_eq!(
        app.attest.iter().map(wharfie_bake::Attest::line).collect::<Vec<_>>(),
        ["type=sbom", "type=provenance,mode=max"]
    );
    assert_eq!(app.no_cache, Some(true));
    let off = compose("services:\n  app:\n    build:\n      sbom: false\n").target("app");
    assert!(off.attest[0].is_disabled);
}

#[test]
fn arguments_come_from_the_environment() {
    let text = "services:\n  example:\n    build:\n      args:\n        FOO:\n        BAR: $ZZZ_BAR\n        BRB: FOO\n        NO: null\n        DEF: ${NOPE:-def}\n        P: ${COMPOSE_PROJECT_NAME}\n";
    let asked = compose(text).env("FOO", "bar").env("BAR", "foo").env("ZZZ_BAR", "zzz_foo");
    let expected = [("BAR", "zzz_foo"), ("BRB", "FOO"), ("DEF", "def"), ("FOO", "bar"), ("P", "bake")];
    assert_eq!(asked.args("example"), pairs(&expected));
    let env = "services:\n  s:\n    build:\n      args:\n        CT: foo\n        FOO:\n        NODE_ENV:\n    environment:\n      - NODE_ENV=test\n    env_file:\n      - env\n";
    let asked = compose(env).beside("env", "FOO=bsdf -csdf\n");
    assert_eq!(asked.args("s"), pairs(&[("CT", "foo"), ("FOO", "bsdf -csdf"), ("NODE_ENV", "test")]));
    compose(env).targets(&["s"]).fails("env file env not found");
    let dotenv = compose("services:\n  s:\n    build:\n      args: [TEST_VALUE, FOO_VALUE]\n").beside(
        ".env",
        "\nTEST_VALUE=${SYSTEM_VALUE:?system_value_not_set}\nFOO_VALUE=${TEST_VALUE:?test_value_not_set}\n",
    );
    assert_eq!(
        dotenv.clone().env("SYSTEM_VALUE", "abc").args("s"),
        pairs(&[("FOO_VALUE", "abc"), ("TEST_VALUE", "abc")])
    );
    dotenv.fails("required variable SYSTEM_VALUE is missing a value: system_value_not_set");
    compose("services:\n  s:\n    build:\n      args:\n        A: ${B:?no b}\n")
        .fails("error while interpolating services.s.build.args.A: required variable B is missing a value: no b");
    compose("services:\n  s:\n    image: ${\n")
        .fails("invalid interpolation format for services.s.image.\nYou may need to escape any $ with another $.\n${");
}

#[test]
fn services_are_contexts() {
    let asked = compose(
        "services:\n  base.1:\n    build:\n      dockerfile: b\n  foo.1:\n    build:\n      dockerfile: f\n  webapp:\n    build:\n      context: ./dir\n      additional_contexts:\n        base: service:base.1\n      x-bake:\n        contexts:\n          foo: target:foo.1\n",
    );
    let bake = asked.bake();
    assert_eq!(bake.groups["default"].targets, ["base_1", "foo_1", "webapp"]);
    assert_eq!(bake.targets["webapp"].contexts.values().collect::<Vec<_>>(), ["target:base_1", "target:foo_1"]);
    compose("services:\n  a:\n    build:\n      additional_contexts:\n        x: service:b\n")
        .fails("service \"a\" declares unknown service \"b\" as additional contexts x");
}

#[test]
fn files_and_services_are_merged() {
    let merged = compose("services:\n  app:\n    image: a\n    build:\n      context: x\n      args: [A=1, B=1]\n      tags: [t1]\n")
        .and("override.yaml", "services:\n  app:\n    build:\n      dockerfile: D\n      args:\n        B: 2\n      tags: [t2]\n  more:\n    build: .\n");
    let app = merged.target("app");
    assert_eq!((app.context.as_deref(), app.dockerfile.as_deref()), (Some("x"), Some("D")));
    assert_eq!(app.args.into_iter().collect::<Vec<_>>(), pairs(&[("A", "1"), ("B", "2")]));
    assert_eq!(app.tags.unwrap(), ["t1", "t2"]);
    let extended = compose("services:\n  base:\n    build:\n      context: x\n      args: { A: 1 }\n  app:\n    extends: base\n    build:\n      args: { B: 2 }\n  far:\n    extends:\n      file: sub/other.yml\n      service: there\n")
        .beside("sub/other.yml", "services:\n  there:\n    build: ./y\n");
    assert_eq!(extended.args("app"), pairs(&[("A", "1"), ("B", "2")]));
    assert_eq!(extended.target("far").context.as_deref(), Some("sub/y"));
    let included = compose("include:\n  - sub/compose.yml\nservices:\n  bar:\n    build:\n      target: b\n")
        .beside("sub/compose.yml", "services:\n  foo:\n    build: .\n");
    assert_eq!(included.target("foo").context.as_deref(), Some("sub"));
    let anchors = compose(
        "x-args: &args\n  A: 1\nservices:\n  app:\n    build:\n      args:\n        <<: *args\n        B: yes\n",
    );
    assert_eq!(anchors.args("app"), pairs(&[("A", "1"), ("B", "yes")]));
    let with_hcl = file("c1.hcl", "target \"app\" {\n context = \"dir\"\n args = { v1 = \"foo\" }\n}\n")
        .and("c2.yml", "version: \"3\"\nservices:\n  app:\n    build:\n      dockerfile: Dockerfile-alternate\n      args:\n        v2: \"bar\"\n");
    let app = with_hcl.target("app");
    assert_eq!((app.context.as_deref(), app.dockerfile.as_deref()), (Some("dir"), Some("Dockerfile-alternate")));
    assert_eq!(app.args.into_iter().collect::<Vec<_>>(), pairs(&[("v1", "foo"), ("v2", "bar")]));
}

#[test]
fn what_is_no_compose_file_is_told() {
    for (text, expected) in [
        ("", "empty compose file"),
        ("foo", "top-level object must be a mapping"),
        (
            "services:\n  webapp:\n    entrypoint: echo 1\n",
            "service \"webapp\" has neither an image nor a build context specified: invalid compose project",
        ),
        (
            "services:\n  webapp:\n    build:\n      foo: bar\n",
            "services.webapp.build additional properties 'foo' not allowed",
        ),
        ("services:\n  webapp:\n    build:\n      tags: a\n", "services.webapp.build.tags must be a array"),
        (
            "services:\n  webapp:\n    build:\n      secrets: [token]\n",
            "service \"webapp\" refers to undefined build secret token: invalid compose project",
        ),
        ("secrets:\n  foo: {}\n", "secrets.foo: one of file|environment must be set"),
        (
            "services:\n  a:\n    build:\n      secrets: [s]\nsecrets:\n  s:\n    external: true\n",
            "unsupported external secret s",
        ),
        (
            "services:\n  a:\n    extends: b\n  b:\n    extends: a\n",
            "Circular reference:\n  a in docker-compose.yml\n  extends b in docker-compose.yml\n  extends a in docker-compose.yml",
        ),
        (
            "services:\n  a:\n    extends: b\n",
            "cannot extend service \"a\" in docker-compose.yml: service \"b\" not found",
        ),
        ("services:\n  a!:\n    build: .\n", "invalid service name \"a!\": only \"[a-zA-Z0-9_-]+\" are allowed"),
        ("services:\n  a:\n    build:\n      ssh: [x]\n", "invalid ssh key \"x\""),
        ("services: [\n", ""),
    ] {
        compose(text).fails(expected);
    }
    let either = file("bakefile", "services:\n  a:\n    build: .\n");
    assert_eq!(either.target("a").context.as_deref(), Some("."));
    file("bakefile", "]").fails("failed to parse bakefile: parsing yaml: ");
}

#[test]
fn small_files_stay_small() {
    let bomb: String =
        (1..30).map(|at| format!("x{at}: &x{at} [{}]\n", vec![format!("*x{}", at - 1); 10].join(","))).collect();
    assert!(compose(&format!("x0: &x0 a\n{bomb}services:\n  a:\n    build: .\n")).read().is_err());
    assert!(compose(&format!("services: {}", "[".repeat(100_000))).read().is_err());
    assert!(compose(&format!("services: {}", "{a: ".repeat(100_000))).read().is_err());
    assert!(
        compose(&(0..10_000).map(|at| format!("{}a:\n", " ".repeat(at % 1000))).collect::<String>()).read().is_err()
    );
}

#[test]
fn files_are_looked_for() {
    let folder = ["docker-bake.override.hcl", "README.md", "docker-bake.hcl", "compose.yaml"];
    assert_eq!(default_files(folder), ["compose.yaml", "docker-bake.hcl", "docker-bake.override.hcl"]);
}
