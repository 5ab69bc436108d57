//! What `--set` changes.

use wharfie_bake::{Export, Target};

use crate::kit::{Asked, hcl, pairs};

const TEXT: &str = r#"
target "webDEP" {
  args = { VAR_INHERITED = "webDEP", VAR_BOTH = "webDEP" }
  no-cache = true
  shm-size = "128m"
  ulimits = ["nofile=1024:1024"]
}
target "webapp" {
  dockerfile = "Dockerfile.webapp"
  args = { VAR_BOTH = "webapp" }
  inherits = ["webDEP"]
}
"#;

#[track_caller]
fn check(set: &[&str], see: impl Fn(&Target)) {
    see(&set.iter().fold(hcl(TEXT), |asked, one| asked.set(one)).target("webapp"));
}

#[track_caller]
fn fails(set: &str, expected: &str) {
    hcl(TEXT).targets(&["webapp"]).set(set).fails(expected);
}

fn outputs(asked: &Asked) -> Vec<String> {
    asked.target("app").outputs.unwrap_or_default().iter().map(Export::line).collect()
}

#[test]
fn arguments_are_set() {
    check(&["webapp.args.VAR_BOTH=bananas"], |target| assert_eq!(target.args["VAR_BOTH"], "bananas"));
    check(&["webapp.args.VAR_FROM=a=b"], |target| assert_eq!(target.args["VAR_FROM"], "a=b"));
    check(&["webDEP.args.VAR_INHERITED=override"], |target| assert_eq!(target.args["VAR_INHERITED"], "override"));
    check(&["web*.args.NEW=1"], |target| assert_eq!(target.args["NEW"], "1"));
    check(&["*.args.a.b=1"], |target| assert_eq!(target.args["a.b"], "1"));
    let from_outside = hcl(TEXT).env("FROM_ENV", "x").set("webapp.args.FROM_ENV").set("webapp.args.NOWHERE");
    let expected = [("FROM_ENV", "x"), ("VAR_BOTH", "webapp"), ("VAR_INHERITED", "webDEP")];
    assert_eq!(from_outside.args("webapp"), pairs(&expected));
}

#[test]
fn other_keys_are_set() {
    check(&["webapp.context=foo", "webapp.dockerfile=bar"], |target| {
        assert_eq!((target.context.as_deref(), target.dockerfile.as_deref()), (Some("foo"), Some("bar")));
    });
    check(&["webapp.no-cache=false", "*.pull=1"], |target| {
        assert_eq!((target.no_cache, target.pull), (Some(false), Some(true)));
    });
    check(&["*.shm-size=256m", "*.network=host", "*.call=check", "*.target=t"], |target| {
        assert_eq!((target.shm_size.as_deref(), target.call.as_deref()), (Some("256m"), Some("check")));
        assert_eq!((target.target.as_deref(), &target.entitlements[..]), (Some("t"), &["network.host".to_owned()][..]));
    });
    check(&["*.tags=a", "*.tags=b"], |target| assert_eq!(target.tags.as_deref().unwrap(), ["a", "b"]));
    check(&["*.platform=linux/arm64"], |target| assert_eq!(target.platforms.as_deref().unwrap(), ["linux/arm64"]));
    check(&["webapp.ulimits+=core=1"], |target| assert_eq!(target.ulimits, ["nofile=1024:1024", "core=1"]));
    check(&["webapp.ulimits=core=1"], |target| assert_eq!(target.ulimits, ["core=1"]));
    check(&["*.contexts.foo=docker-image://x"], |target| assert_eq!(target.contexts["foo"], "docker-image://x"));
    check(&["*.contexts.foo="], |target| assert!(target.contexts.is_empty()));
    check(&["*.labels.a.b=c", "*.extra-hosts.h=1.1.1.1"], |target| {
        assert_eq!((target.labels["a.b"].as_str(), target.extra_hosts["h"].as_str()), ("c", "1.1.1.1"));
    });
    check(&["*.cache-from=a,b", "*.cache-to=type=local,dest=d"], |target| {
        assert_eq!(target.cache_from.len(), 2);
        assert_eq!(target.cache_to.as_ref().unwrap()[0].line(), "type=local,dest=d");
    });
    check(&["*.attest=type=sbom", "*.secrets=id=a,src=b", "*.ssh=default", "*.annotations=a=b"], |target| {
        assert_eq!((target.attest[0].line().as_str(), target.secrets[0].line().as_str()), ("type=sbom", "id=a,src=b"));
        assert_eq!((target.ssh[0].line().as_str(), target.annotations[0].as_str()), ("default", "a=b"));
    });
    check(&["*.resources.memory=1g", "*.resources.cpu-shares=3"], |target| {
        let limits = target.resources.as_ref().unwrap();
        assert_eq!((limits.memory.as_deref(), limits.cpu_shares), (Some("1g"), Some(3)));
    });
}

#[test]
fn what_cannot_be_set_is_told() {
    fails("nosuchtarget.context=foo", "could not find any target matching 'nosuchtarget'");
    fails("nomatch*.args.a=b", "could not find any target matching 'nomatch*'");
    fails("webapp", "invalid override key webapp, expected target.name");
    fails("webapp.context", "invalid override webapp.context, expected target.name=value");
    fails("webapp.args=x", "invalid key webapp.args, args requires name");
    fails("webapp.contexts=x", "invalid key webapp.contexts, contexts requires name");
    fails("webapp.nope=x", "unknown key: nope");
    fails("webapp.pull=x", "invalid value x for boolean key pull");
    fails("webapp.secret.a=src=b", "secret \"a\" must be declared before it can be overridden");
    fails("webapp.secret.a+=src=b", "secret does not support append");
    fails("webapp.resources.nope=1", "unknown resources key nope");
    fails("webapp.resources.cpu-quota=x", "invalid value x for int64 key resources.cpu-quota");
    fails("webapp.output=a=b,c=d", "invalid value for outputs: type is required for output");
    fails("[.pull=1", "could not match targets with '[': syntax error in pattern");
}

#[test]
fn one_secret_is_changed() {
    let asked = hcl("target \"app\" {\n secret = [\"id=FOO,src=a\", \"id=BAR,env=B\"]\n}\n");
    let app = asked.clone().set("app.secret.FOO=type=env,src=OTHER").target("app");
    assert_eq!(app.secrets[0].line(), "id=FOO,env=OTHER");
    let asked = asked.targets(&["app"]);
    assert_eq!(asked.clone().set("app.secret.FOO=src=b").bake().granted.read, ["b"]);
    asked.set("app.secret.FOO=id=BAR,src=b").fails("secret override id \"BAR\" does not match declared secret \"FOO\"");
}

#[test]
fn pushing_and_loading_follow_the_outputs() {
    for (output, set, expected) in [
        ("", "app.push=true", &["type=image,push=true"][..]),
        ("type=image", "app.push=true", &["type=image,push=true"]),
        ("type=docker", "app.push=true", &["type=docker", "type=image,push=true"]),
        ("type=local,dest=out", "app.push=true", &["type=local,dest=out"]),
        ("type=image", "app.push=false", &["type=image,push=false"]),
        ("type=registry", "app.push=false", &[]),
        ("", "app.load=true", &["type=docker"]),
        ("type=docker", "app.load=true", &["type=docker"]),
        ("type=docker,dest=x", "app.load=true", &["type=docker,dest=x", "type=docker"]),
        ("type=image", "app.load=true", &["type=image", "type=docker"]),
        ("type=local,dest=out", "app.load=true", &["type=local,dest=out"]),
    ] {
        let asked = hcl(&format!("target \"app\" {{\n output = [\"{output}\"]\n}}\n")).set(set);
        assert_eq!(outputs(&asked), expected, "{output} {set}");
    }
}

#[test]
fn what_is_set_is_allowed() {
    let asked = hcl("target \"app\" {}\n").targets(&["app"]);
    let granted = asked
        .set("app.output=type=local,dest=/out")
        .set("app.cache-from=type=local,src=/cache")
        .set("app.ssh=key=/k")
        .set("app.entitlements=network.host")
        .bake()
        .granted;
    assert_eq!((granted.write, granted.read), (vec!["/out".to_owned()], vec!["/cache".to_owned(), "/k".to_owned()]));
    assert!(granted.network_host && !granted.security_insecure);
}
