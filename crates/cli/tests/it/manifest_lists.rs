//! `manifest create`, `annotate`, `push`, `rm`: lists are drafted here and live on registries.

use serde_json::Value;
use wharfie_testkit::{Host, Image, Published, TestRegistry};

use crate::host;

/// A registry with `mf/a:amd` and `mf/a:arm`, a host, and the two.
fn two_platforms() -> (TestRegistry, Host, Image, Image) {
    let (registry, host) = (TestRegistry::start(), host());
    let amd = Image::new().with_file("a", "for amd64");
    let arm = Image::new().with_file("a", "for arm64").on("linux", "arm64");
    registry.publish("mf/a:amd", &Published::of(&amd));
    registry.publish("mf/a:arm", &Published::of(&arm));
    (registry, host, amd, arm)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

#[test]
fn a_list_is_drafted_annotated_pushed_and_pulled() {
    let (registry, host, amd, arm) = two_platforms();
    let name = |rest: &str| format!("{}/mf/a:{rest}", registry.address());
    let (multi, amd_ref, arm_ref) = (name("multi"), name("amd"), name("arm"));
    host.run(&["manifest", "create", "--insecure", &multi, &amd_ref, &arm_ref])
        .prints(&format!("Created manifest list {multi}\n"));
    let folder = host.docker_config().join("manifests").join(multi.replace(':', "-").replace('/', "_"));
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, [&amd_ref, &arm_ref].map(|name| name.replace(':', "-").replace('/', "_")));

    let flags = ["--arch", "arm64", "--os", "linux", "--variant", "v8", "--os-features", "f1,f2", "--os-version", "1"];
    host.run(&[&["manifest", "annotate", &multi, &arm_ref], &flags[..]].concat()).prints("");
    host.run(&["manifest", "annotate", "--os-features=f2,f3", &multi, &arm_ref]).prints("");
    let draft = host.run(&["manifest", "inspect", "-v", &multi, &arm_ref]).succeeds();
    assert!(draft.contains(
        "\t\t\"platform\": {\n\t\t\t\"architecture\": \"arm64\",\n\t\t\t\"os\": \"linux\",\n\t\t\t\"os.version\": \"1\",\n\t\t\t\"os.features\": [\n\t\t\t\t\"f1\",\n\t\t\t\t\"f2\",\n\t\t\t\t\"f3\"\n\t\t\t],\n\t\t\t\"variant\": \"v8\"\n\t\t}\n"
    ), "{draft}");
    // Without -v the member is its manifest, and the list what would be pushed.
    let member = host.run(&["manifest", "inspect", &multi, &arm_ref]).succeeds();
    assert!(member.starts_with("{\n\t\"schemaVersion\": 2,\n"), "{member}");
    let drafted = host.run(&["manifest", "inspect", &multi]).succeeds();
    assert!(drafted.starts_with("{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"application/vnd.oci.image.index.v1+json\",\n   \"manifests\": [\n      {\n         \"mediaType\": \"application/vnd.oci.image.manifest.v1+json\",\n         \"size\": "), "{drafted}");
    let verbose = json(&host.run(&["manifest", "inspect", "-v", &multi]).succeeds());
    assert_eq!((&verbose[0]["Ref"], &verbose[1]["Ref"]), (&Value::from(amd_ref), &Value::from(arm_ref)));

    let pushed = host.run(&["manifest", "push", "--insecure", "-p", &multi]).succeeds();
    let digest = registry.digest("mf/a:multi").to_string();
    assert_eq!(pushed, format!("{digest}\n"));
    assert!(!folder.exists());
    host.run(&["manifest", "push", &multi]).fails(1, &format!("No such manifest: {multi}"));
    // What is on the registry now is what the draft said.
    assert_eq!(host.run(&["manifest", "inspect", &multi]).succeeds(), drafted);
    let verbose = json(&host.run(&["manifest", "inspect", "-v", &multi]).succeeds());
    assert_eq!(verbose[1]["Ref"], format!("{multi}@{}", Published::of(&arm).digest()));
    assert_eq!(verbose[1]["Descriptor"]["platform"]["variant"], "v8");

    let by_digest = format!("{}/mf/a@{digest}", registry.address());
    for (platform, image) in [("linux/amd64", &amd), ("linux/arm64", &arm)] {
        host.run(&["pull", "-q", "--platform", platform, &by_digest]).succeeds();
        host.run(&["images", "-q", "--no-trunc", "--filter", &format!("reference={}/mf/a", registry.address())])
            .prints(&format!("{}\n", image.id()));
    }
}

#[test]
fn a_list_of_what_was_pushed_from_here_is_dockers() {
    let (registry, host) = (TestRegistry::start(), host());
    let web = Image::new().with_file("a", "1");
    host.run_with(&["load", "-q"], &wharfie_testkit::archive(&[(&web, &["web"])])).succeeds();
    let name = |rest: &str| format!("{}/{rest}", registry.address());
    host.run(&["tag", "web", &name("web:1")]).succeeds();
    host.run(&["push", "-q", &name("web:1")]).succeeds();
    // Without a tag it is `latest`; members of other repositories are mounted.
    host.run(&["manifest", "create", &name("other/list"), &name("web:1")])
        .prints(&format!("Created manifest list {}\n", name("other/list:latest")));
    host.run(&["manifest", "push", &name("other/list")]).succeeds();
    let list = json(&host.run(&["manifest", "inspect", &name("other/list")]).succeeds());
    assert_eq!(list["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
    let verbose = json(&host.run(&["manifest", "inspect", "-v", &name("other/list")]).succeeds());
    assert_eq!(verbose[0]["SchemaV2Manifest"]["schemaVersion"], 2);
    let fresh = crate::host();
    fresh.run(&["pull", "-q", &name("other/list")]).prints(&format!("{}\n", name("other/list:latest")));
    fresh.run(&["images", "-q", "--no-trunc"]).prints(&format!("{}\n", web.id()));
}

#[test]
fn a_draft_is_only_amended_on_request() {
    let (registry, host, _, _) = two_platforms();
    let name = |rest: &str| format!("{}/mf/a:{rest}", registry.address());
    let (multi, amd, arm) = (name("multi"), name("amd"), name("arm"));
    host.run(&["manifest", "create", &multi, &amd]).succeeds();
    host.run(&["manifest", "annotate", "--variant", "v2", &multi, &amd]).prints("");
    host.run(&["manifest", "create", &multi, &arm])
        .fails(1, "refusing to amend an existing manifest list with no --amend flag");
    host.run(&["manifest", "create", "-a", &multi, &arm, &amd]).prints(&format!("Created manifest list {multi}\n"));
    // What was said about a member stays said.
    let list = json(&host.run(&["manifest", "inspect", &multi]).succeeds());
    assert_eq!(list["manifests"].as_array().map(Vec::len), Some(2));
    assert_eq!(list["manifests"][0]["platform"]["variant"], "v2");
    host.run(&["manifest", "rm", &multi]).prints("");
    assert_eq!(host.run(&["manifest", "inspect", &multi]).code, 1);
}

#[test]
fn mistakes_with_lists_are_named() {
    let (registry, host, _, _) = two_platforms();
    let elsewhere = TestRegistry::start();
    elsewhere.publish("mf/a:amd", &Published::of(&Image::new()));
    let name = |rest: &str| format!("{}/mf/a:{rest}", registry.address());
    let (multi, amd, arm) = (name("multi"), name("amd"), name("arm"));
    host.run(&["manifest", "create", &multi]).fails(
        1,
        "wharfie: 'wharfie manifest create' requires at least 2 arguments\n\nUsage:  wharfie manifest create MANIFEST_LIST MANIFEST [MANIFEST...]\n\nSee 'wharfie manifest create --help' for more information",
    );
    host.run(&["manifest", "create", &multi, &amd, &name("nope")])
        .fails(1, &format!("no such manifest: {}", name("nope")));
    host.run(&["manifest", "push", &multi]).fails(1, &format!("No such manifest: {multi}"));
    host.run(&["manifest", "create", "UP", &amd]).fails(
        1,
        "error parsing name for manifest list UP: invalid reference format: repository name (library/UP) must be lowercase",
    );
    host.run(&["manifest", "create", &multi, &amd]).succeeds();
    host.run(&["manifest", "annotate", "--arch", "zzz", &multi, &amd])
        .fails(1, "manifest entry for image has unsupported os/arch combination: /zzz");
    host.run(&["manifest", "annotate", "--arch", "arm", &multi, &arm])
        .fails(1, &format!("manifest for image {arm} does not exist in {multi}"));
    host.run(&["manifest", "inspect", &multi, &arm]).fails(1, &format!("No such manifest: {arm}"));
    host.run(&["manifest", "push", &multi]).succeeds();
    host.run(&["manifest", "create", &name("outer"), &multi]).fails(1, &format!("{multi} is a manifest list"));
    host.run(&["manifest", "rm", "nope", &multi, "mine/nope:1"])
        .fails(1, "No such manifest: docker.io/library/nope:latest\nNo such manifest: docker.io/mine/nope:1");
    host.run(&["manifest", "create", &multi, &amd, &format!("{}/mf/a:amd", elsewhere.address())]).succeeds();
    let outcome = host.run(&["manifest", "push", &multi]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
    assert_eq!(
        outcome.stderr,
        format!(
            "cannot use source images from a different registry than the target image: {} != {}\n",
            elsewhere.address(),
            registry.address()
        )
    );
}
