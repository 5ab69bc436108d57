//! `search` on a registry that can be searched.

use wharfie_testkit::faulty_server::reply;
use wharfie_testkit::{FaultyServer, Heard};

use crate::host;

const RESULTS: &[u8] = br#"{"num_results":3,"page":1,"query":"x","results":[
{"name":"team/web","description":"A web\nserver","star_count":7,"is_official":false,"is_automated":true},
{"name":"library/db","description":"A description that is a good deal longer than the column it has to fit into","star_count":100,"is_official":true,"is_automated":false},
{"name":"odd\u001b[31m","description":"","star_count":0,"is_official":false,"is_automated":false}]}"#;

fn answer(heard: &Heard) -> Vec<u8> {
    match heard.target.as_str() {
        "/v1/_ping" => reply(200, &[("Content-Type", "application/json")], b"true"),
        target if target.starts_with("/v1/search?") => reply(200, &[("Content-Type", "application/json")], RESULTS),
        _ => reply(404, &[], b""),
    }
}

#[test]
fn results_are_a_table_in_the_servers_order() {
    let (server, host) = (FaultyServer::start(answer), host());
    let address = server.address();
    host.run(&["search", &format!("{address}/a b/c")]).prints(
        "NAME         DESCRIPTION                                     STARS     OFFICIAL\n\
         team/web     A web server                                    7         \n\
         library/db   A description that is a good deal longer tha…   100       [OK]\n\
         odd\u{fffd}[31m                                                     0         \n",
    );
    let lines = server.lines();
    assert_eq!(lines.first().map(String::as_str), Some("GET /v1/_ping"), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("GET /v1/search?q=a+b%2Fc&n=25"), "{lines:?}");
    let last = server.heard().pop().unwrap();
    assert_eq!(last.header("x-docker-token"), Some("true"));
    let wide = host.run(&["search", "--no-trunc", "--limit", "3", &format!("{address}/")]).succeeds();
    assert!(wide.contains("longer than the column it has to fit into"), "{wide}");
    assert_eq!(server.lines().pop().as_deref(), Some("GET /v1/search?q=&n=3"));
}

#[test]
fn formats_and_filters() {
    let (server, host) = (FaultyServer::start(answer), host());
    let term = format!("{}/x", server.address());
    let names = |filters: &[&str]| {
        let mut words = vec!["search", "--format", "{{.Name}}"];
        for filter in filters {
            words.extend(["-f", filter]);
        }
        words.push(&term);
        host.run(&words).succeeds()
    };
    assert_eq!(names(&["stars=7"]), "team/web\nlibrary/db\n");
    assert_eq!(names(&["stars=7", "stars=50"]), "library/db\n");
    assert_eq!(names(&["is-official=true"]), "library/db\n");
    assert_eq!(names(&["is-official=false", "stars=1"]), "team/web\n");
    host.run(&["search", "--format", "{{.Name}} {{.IsOfficial}}|", "-f", "stars=7", &term])
        .prints("team/web |\nlibrary/db [OK]|\n");
    host.run(&["search", "--format", "json", "-f", "is-official=true", "--no-trunc", &term]).prints(
        "{\"Description\":\"A description that is a good deal longer than the column it has to fit \
         into\",\"IsOfficial\":\"true\",\"Name\":\"library/db\",\"StarCount\":\"100\"}\n",
    );
    let outcome = host.run(&["search", "-f", "is-automated=true", "--format", "{{.Name}}", &term]);
    assert_eq!(outcome.stdout, "team/web\n");
    assert_eq!(
        outcome.stderr,
        "WARNING: the \"is-automated\" filter is deprecated, and searching for \"is-automated=true\" will not yield \
         any results in future.\n"
    );
}

#[test]
fn what_makes_no_sense_is_said() {
    let host = host();
    let daemon = "Error response from daemon: ";
    for (words, text) in [
        (&["search", "-f", "stars=x", "t"][..], "invalid filter 'stars=x'"),
        (&["search", "-f", "foo=1", "t"], "invalid filter 'foo'"),
        (&["search", "-f", "is-official=x", "t"], "invalid filter 'is-official=[x]'"),
        (&["search", "--limit", "101", "t"], "limit 101 is outside the range of [1, 100]"),
        (
            &["search", "http://foo/x"],
            "invalid repository name: repository name (http://foo/x) should not have a scheme",
        ),
    ] {
        host.run(words).fails(1, &format!("{daemon}{text}"));
    }
}

#[test]
fn a_registry_that_cannot_be_searched() {
    let host = host();
    let server = FaultyServer::start(|heard| match heard.target.as_str() {
        "/v1/_ping" => reply(200, &[], b"true"),
        _ => reply(500, &[], b""),
    });
    host.run(&["search", &format!("{}/x", server.address())])
        .fails(1, "Error response from daemon: unexpected status code 500");
    let gone = FaultyServer::start(|_| Vec::new()).address().to_owned();
    let outcome = host.run(&["search", &format!("{gone}/x")]);
    assert_eq!(outcome.code, 1);
    let start = format!("Error response from daemon: invalid registry endpoint \"http://{gone}/v1/\". HTTPS attempt: ");
    assert!(outcome.stderr.starts_with(&start) && outcome.stderr.contains("HTTP attempt: "), "{}", outcome.stderr);
}
