//! What targets have to be allowed.

use wharfie_bake::{Entitlements, Files, Prompt, Prompted};

use crate::kit::{Asked, hcl};

fn allow(flags: &[&str]) -> Entitlements {
    Entitlements::parse(&flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>()).expect("there are such flags")
}

/// What is missing beneath a file system in which `/w/there` and `/other` exist, and `/w/link` leads to `/away`.
fn missing(asked: &Asked, flags: &[&str]) -> Entitlements {
    let bake = asked.bake();
    let mut allowed = allow(flags);
    allowed.grant(&bake.granted, "/w");
    let resolve = |path: &str| {
        let path = path.replace("/w/link", "/away");
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            match part {
                ".." => parts.truncate(parts.len().saturating_sub(1)),
                part => parts.push(part),
            }
        }
        let path = format!("/{}", parts.join("/"));
        let there = ["/w/there", "/other", "/away", "/w", ""]
            .into_iter()
            .find(|there| path.starts_with(there))
            .expect("the last one fits");
        let existing = if there.is_empty() { "/" } else { there };
        Ok((existing.to_owned(), path[there.len()..].trim_start_matches('/').to_owned()))
    };
    allowed.missing(&bake, &Files { working_directory: "/w", resolve: &resolve }).expect("paths are resolved")
}

fn told(missing: &Entitlements, is_terminal: bool, variables: &[(&str, &str)]) -> Option<Prompted> {
    let environment =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let command = ["docker", "buildx", "bake", "--push", "app"].map(str::to_owned);
    let prompt =
        Prompt { working_directory: "/w", is_terminal, is_remote: false, command: &command, environment: &environment };
    missing.prompt(&prompt).expect("variables are true or false")
}

#[test]
fn the_own_folder_is_allowed() {
    let asked = hcl("target \"default\" {\n context = \"there\"\n output = [\"out\"]\n secret = [\"id=a,src=x\"]\n}\n");
    assert_eq!(missing(&asked, &[]), Entitlements::default());
    assert_eq!(told(&Entitlements::default(), true, &[]), None);
}

#[test]
fn other_folders_are_not() {
    let asked = hcl(
        "target \"default\" {\n context = \"/other/a\"\n contexts = { l = \"link/b\", t = \"docker-image://x\" }\n output = [\"type=tar,dest=../x.tar\"]\n cache-to = [\"type=local,dest=/other/cache\"]\n}\n",
    );
    let needed = missing(&asked, &[]);
    assert_eq!((needed.read, needed.write), (vec!["/away".to_owned(), "/other".to_owned()], vec!["/".to_owned()]));
    assert_eq!(missing(&asked, &["fs=*"]), Entitlements::default());
    assert_eq!(missing(&asked, &["fs.read=/other", "fs.write=/"]).read, ["/away"]);
    assert_eq!(missing(&asked, &["fs.read=/other/a", "fs.write=/"]).read, ["/away", "/other"]);
    // What is named is allowed, but not the folder around it, in which it has to be made.
    assert_eq!(missing(&asked.set("*.output=type=tar,dest=/other/x"), &["fs.read=*"]).write, ["/other"]);
}

#[test]
fn capabilities_are_asked_for() {
    let asked = hcl(
        "target \"default\" {\n network = \"host\"\n entitlements = [\"security.insecure\", \"device=vendor/x=y,required\"]\n ssh = [\"default\"]\n output = [\"type=local,dest=out,mode=delete\"]\n}\n",
    );
    let needed = missing(&asked, &[]);
    assert!(needed.network_host && needed.security_insecure && needed.ssh && needed.local_delete);
    assert_eq!(needed.devices.iter().collect::<Vec<_>>(), ["vendor/x=y"]);
    let some = missing(&asked, &["network.host", "ssh", "device", "buildx.local.delete"]);
    assert_eq!(some, Entitlements { security_insecure: true, ..Entitlements::default() });
    assert!(!missing(&asked.set("*.entitlements=security.insecure"), &[]).security_insecure);
    let wrong = hcl("target \"default\" {\n output = [\"type=local,dest=out,mode=backup\"]\n}\n").bake();
    let resolve = |path: &str| Ok((path.to_owned(), String::new()));
    let error = allow(&[]).missing(&wrong, &Files { working_directory: "/w", resolve: &resolve }).unwrap_err();
    assert_eq!(error.to_string(), "invalid local exporter mode \"backup\"");
}

#[test]
fn people_are_told_and_asked() {
    let needed = Entitlements {
        network_host: true,
        read: vec!["/far/away".to_owned(), "/x".to_owned()],
        write: vec!["/x".to_owned()],
        ..Entitlements::default()
    };
    let told_all = told(&needed, false, &[]).unwrap();
    assert_eq!(
        told_all.text,
        "Your build is requesting privileges for following possibly insecure capabilities:

 - Running build containers that can access host network
 - Read and write access to path ../x
 - Read access to path ../far/away

Pass \"--allow=network.host --allow=fs=../x --allow=fs.read=../far/away\" to grant requested privileges.

Your full command with requested privileges:

docker buildx bake --allow=network.host --allow=fs=../x --allow=fs.read=../far/away --push app

To disable filesystem entitlements checks, you can set BUILDX_BAKE_ENTITLEMENTS_FS=0 .

"
    );
    assert_eq!((told_all.question, told_all.is_required), (None, true));
    let asked = told(&needed, true, &[]).unwrap();
    assert!(asked.text.contains("In order to not see this message in the future pass \"--allow=network.host"));
    assert_eq!(asked.question.as_deref(), Some("Do you want to grant requested privileges and continue? [y/N] "));
    let paths = Entitlements { network_host: false, ..needed };
    let off = told(&paths, true, &[("BUILDX_BAKE_ENTITLEMENTS_FS", "0")]).unwrap();
    assert_eq!((off.question, off.is_required), (None, false));
}

#[test]
fn flags_are_read() {
    let parse = |flag: &str| Entitlements::parse(&[flag.to_owned()]);
    assert_eq!(parse("fs=/x").unwrap().write, ["/x"]);
    assert_eq!(parse("image=a").unwrap().image_load, ["a"]);
    assert_eq!(parse("nope=1").unwrap_err().to_string(), "unknown entitlement key \"nope\"");
    let error = parse("buildx.local.delete=true").unwrap_err();
    assert_eq!(error.to_string(), "buildx.local.delete does not accept a value");
}
