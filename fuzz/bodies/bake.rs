//! Bake files: no text makes reading, evaluation, `--set` or prints panic, and what was read can be printed and listed.

use std::collections::BTreeMap;

use wharfie_bake::{Entitlements, Files, List, Means, Request, print, read};

/// Insists on it for one input, as a file of each kind.
pub(crate) fn run(text: &str) {
    for name in ["docker-bake.hcl", "docker-bake.json", "compose.yaml", "bakefile"] {
        one(name, text);
    }
}

fn one(name: &str, text: &str) {
    let files = [(name.to_owned(), text.as_bytes().to_vec())];
    let environment = |name: &str| (name == "A").then(|| "1,b".to_owned());
    let entropy = |bytes: &mut [u8]| bytes.fill(1);
    let neighbours = |name: &str| (name == "other.yml").then(|| text.as_bytes().to_vec());
    let (variables, targets) = (BTreeMap::new(), ["*".to_owned()]);
    let request = Request {
        files: &files,
        targets: &targets,
        overrides: &["*.args.X=y".to_owned(), "*.output+=type=local,dest=out".to_owned()],
        variables: &variables,
        environment: &environment,
        neighbours: &neighbours,
        local_platform: "linux/amd64",
        command_context: "cwd://",
        means: Means { now: 0, entropy: &entropy, home: "/" },
    };
    for list in ["type=targets,format=json", "variables"] {
        let _ = List::parse(list).and_then(|list| list.print(&request));
    }
    let Ok(bake) = read(&request) else { return };
    assert!(bake.order.iter().all(|name| bake.targets.contains_key(name)), "the order names targets");
    assert!(bake.targets.values().all(|target| target.inherits.is_empty()), "inheritance is done");
    let printed = print(&bake);
    let again = [("printed.json".to_owned(), printed.clone().into_bytes())];
    let again = Request { files: &again, overrides: &[], ..request };
    // What is printed is a definition of the same targets, unless a name of a group hides one.
    if let Ok(again) = read(&again) {
        assert!(bake.targets.keys().eq(again.targets.keys()), "{printed}");
    }
    let resolve = |path: &str| Ok((path.to_owned(), String::new()));
    let _ = Entitlements::default().missing(&bake, &Files { working_directory: "/", resolve: &resolve });
}
