//! Who may do what: passwords, tokens, rules.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wharfie_oci::pattern::Pattern;
use wharfie_registry::auth::htpasswd::Users;
use wharfie_registry::auth::{Access, Actions, Rule};
use wharfie_registry::config::Keeping;
use wharfie_registry::retention::Immutable;

use crate::client::{OCI_MANIFEST, Registry, Reply, Setup};

fn rule(repositories: &str, users: &[&str], actions: Actions) -> Rule {
    let users = users.iter().map(|user| (*user).to_owned()).collect();
    Rule { repositories: vec![Pattern::new(repositories)], users, actions }
}

fn ruled(rules: Vec<Rule>) -> Registry {
    let line = |user: &str| format!("{user}:{}\n", bcrypt::hash(format!("{user}-secret"), 4).unwrap());
    let users = Users::parse(&(line("ada") + &line("bob"))).unwrap();
    let access = Arc::new(Access::Ruled { users: Box::new(users), rules, url: None });
    Registry::set_up(Setup { access, ..Setup::default() })
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn token(registry: &Registry, authorization: Option<&str>, scope: &str) -> String {
    let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("Authorization", *value)).collect();
    let reply = registry.send("GET", &format!("/token?service=test&scope={scope}"), &headers, b"").expect(200);
    format!("Bearer {}", reply.json()["token"].as_str().unwrap())
}

fn as_user(registry: &Registry, authorization: &str, method: &str, target: &str) -> Reply {
    registry.send(method, target, &[("Authorization", authorization)], b"")
}

#[test]
fn who_has_not_logged_in_is_told_where_to() {
    let registry = ruled(vec![rule("**", &["*"], Actions::ALL)]);
    let reply = registry.get("/v2/").refuses(401, "UNAUTHORIZED");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"http://test/token\",service=\"test\""));
    let reply = registry.send("POST", "/v2/team/a/blobs/uploads/", &[], b"").refuses(401, "UNAUTHORIZED");
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(challenge.ends_with(",scope=\"repository:team/a:push\""), "{challenge}");
    // A host that is none does not come back.
    let reply = registry.raw(b"GET /v2/ HTTP/1.1\r\nHost: a\",x=\"b\r\nConnection: close\r\n\r\n");
    assert!(reply.status == 400 || reply.header("www-authenticate").unwrap().contains("http://localhost/token"));
    registry.get("/healthz").expect(200);
}

#[test]
fn passwords_and_tokens_let_in() {
    let registry = ruled(vec![rule("**", &["*"], Actions::ALL)]);
    let ada = basic("ada", "ada-secret");
    as_user(&registry, &ada, "GET", "/v2/").expect(200);
    for wrong in [basic("ada", "x"), basic("ada", ""), basic("eve", "ada-secret"), basic("", ""), "Basic x".to_owned()]
    {
        as_user(&registry, &wrong, "GET", "/v2/").refuses(401, "UNAUTHORIZED");
        registry.send("GET", "/token", &[("Authorization", &wrong)], b"").refuses(401, "UNAUTHORIZED");
    }
    let push = token(&registry, Some(&ada), "repository:a:pull,push");
    as_user(&registry, &push, "GET", "/v2/").expect(200);
    as_user(&registry, &push, "POST", "/v2/a/blobs/uploads/").expect(202);
    // It is for that repository and those actions.
    let reply = as_user(&registry, &push, "POST", "/v2/b/blobs/uploads/").refuses(401, "UNAUTHORIZED");
    assert!(reply.header("www-authenticate").unwrap().ends_with("error=\"insufficient_scope\""));
    as_user(&registry, &push, "DELETE", "/v2/a/manifests/1").refuses(401, "UNAUTHORIZED");
    // Somebody else has signed it.
    let (rest, signature) = push.rsplit_once('.').unwrap();
    let other = signature.chars().rev().collect::<String>();
    as_user(&registry, &format!("{rest}.{other}"), "GET", "/v2/").refuses(401, "UNAUTHORIZED");
    let anonymous = token(&registry, None, "repository:a:pull,push");
    as_user(&registry, &anonymous, "POST", "/v2/a/blobs/uploads/").refuses(401, "UNAUTHORIZED");
}

#[test]
fn tokens_outlive_a_restart() {
    let mut registry = ruled(vec![rule("**", &["*"], Actions::ALL)]);
    let push = token(&registry, Some(&basic("ada", "ada-secret")), "repository:a:pull,push");
    registry.restart();
    as_user(&registry, &push, "POST", "/v2/a/blobs/uploads/").expect(202);
}

#[test]
fn rules_say_who_may_do_what_where() {
    let registry = ruled(vec![
        rule("team/**", &["ada"], Actions::ALL),
        rule("team/**", &["bob"], Actions::PULL),
        rule("public/*", &["", "*"], Actions::PULL),
        rule("public/*", &["bob"], Actions::PUSH),
    ]);
    let (ada, bob) = (basic("ada", "ada-secret"), basic("bob", "bob-secret"));
    let push = |user: &str, name: &str| as_user(&registry, user, "POST", &format!("/v2/{name}/blobs/uploads/")).status;
    let pull = |user: &str, name: &str| as_user(&registry, user, "GET", &format!("/v2/{name}/manifests/1")).status;
    let delete = |user: &str, name: &str| as_user(&registry, user, "DELETE", &format!("/v2/{name}/manifests/1")).status;
    assert_eq!((push(&ada, "team/a"), pull(&ada, "team/a"), delete(&ada, "team/a")), (202, 404, 404));
    assert_eq!((push(&bob, "team/a"), pull(&bob, "team/a"), delete(&bob, "team/a")), (403, 404, 403));
    assert_eq!((push(&ada, "public/a"), push(&bob, "public/a"), pull(&ada, "public/a")), (403, 202, 404));
    assert_eq!((pull(&ada, "other"), pull(&ada, "public/a/b")), (403, 403));
    registry.get("/v2/public/a/manifests/1").refuses(404, "MANIFEST_UNKNOWN");
    registry.get("/v2/team/a/manifests/1").refuses(401, "UNAUTHORIZED");
    // A token gives no more than the rules.
    let token = token(&registry, Some(&bob), "repository:team/a:pull,push,delete");
    assert_eq!((pull(&token, "team/a"), push(&token, "team/a"), delete(&token, "team/a")), (404, 403, 403));
}

#[test]
fn what_a_user_may_not_see_is_not_shown_and_not_mounted() {
    let registry = ruled(vec![rule("team/*", &["ada"], Actions::ALL), rule("open/*", &["bob", "ada"], Actions::ALL)]);
    let (ada, bob) = (basic("ada", "ada-secret"), basic("bob", "bob-secret"));
    let digest = wharfie_oci::Digest::of(b"secret");
    let target = format!("/v2/team/a/blobs/uploads/?digest={digest}");
    registry.send("POST", &target, &[("Authorization", &ada)], b"secret").expect(201);
    let names = |user: &str| as_user(&registry, user, "GET", "/v2/_catalog").expect(200).json()["repositories"].clone();
    assert_eq!((names(&ada), names(&bob)), (serde_json::json!(["team/a"]), serde_json::json!([])));
    let mount = |user: &str, query: &str| {
        as_user(&registry, user, "POST", &format!("/v2/open/b/blobs/uploads/?mount={digest}{query}")).status
    };
    assert_eq!((mount(&bob, "&from=team/a"), mount(&bob, ""), mount(&ada, "&from=team/a")), (202, 202, 201));
}

#[test]
fn files_of_users_are_read_whole_or_not_at_all() {
    let hash = bcrypt::hash("x", 4).unwrap();
    assert!(Users::parse(&format!("# users\n\nada:{hash}\n")).is_ok());
    for bad in ["ada", "ada:secret", "ada:$apr1$x$y", "ada:{SHA}x", "ada:$2y$10$short", &format!(":{hash}")] {
        assert!(Users::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_immutable_tag_stays_where_it_is() {
    let immutable = Immutable { repositories: vec![Pattern::new("a")], tags: vec![Pattern::new("v*")] };
    let keeping = Keeping { every: None, immutable: vec![immutable], ..Keeping::default() };
    let registry = Registry::set_up(Setup { keeping, ..Setup::default() });
    let (one, two) = (registry.image("a", "one"), registry.image("a", "two"));
    registry.push_manifest("a", "v1", &one);
    registry.push_manifest("a", "latest", &one);
    // The same again is no change.
    registry.push_manifest("a", "v1", &one);
    let put = |tag: &str| {
        registry.send(
            "PUT",
            &format!("/v2/a/manifests/{tag}"),
            &[("Content-Type", OCI_MANIFEST)],
            two.to_string().as_bytes(),
        )
    };
    put("v1").refuses(403, "DENIED");
    put("latest").expect(201);
    registry.send("DELETE", "/v2/a/manifests/v1", &[], b"").refuses(403, "DENIED");
    let digest = wharfie_oci::Digest::of(one.to_string().as_bytes());
    registry.send("DELETE", &format!("/v2/a/manifests/{digest}"), &[], b"").refuses(403, "DENIED");
    assert_eq!(registry.get("/v2/a/manifests/v1").expect(200).header("docker-content-digest"), Some(digest.as_str()));
}
