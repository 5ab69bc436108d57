//! Containers: which are listed, how they are told, and what goes.

use wharfie_engine::Error;
use wharfie_engine::container::ContainerError;
use wharfie_engine::container::lifecycle::Stop;
use wharfie_engine::container::list::ListContainers;
use wharfie_engine::container::prune::PruneContainers;
use wharfie_engine::container::remove::RemoveContainer;
use wharfie_engine::filter::{Prunable, PruneFilters};
use wharfie_model::container::ContainerSummary;
use wharfie_oci::Timestamp;
use wharfie_store::containers::{ContainerRow, Health};
use wharfie_testkit::{Image, archive};

use crate::place::{Place, pairs, pass};

fn boxed() -> Image {
    Image::new().with_file("a", "1")
}

fn place() -> Place {
    Place::with(&[(&boxed(), &["box:latest", "box:1"])])
}

fn listed(place: &Place, list: &ListContainers) -> Vec<ContainerSummary> {
    place.engine.list_containers(list).expect("the list makes sense")
}

fn names(place: &Place, list: &ListContainers) -> Vec<String> {
    listed(place, list).into_iter().flat_map(|container| container.names).collect()
}

fn all() -> ListContainers {
    ListContainers { all: true, ..ListContainers::default() }
}

fn of(place: &Place, filters: &[(&str, &str)]) -> Vec<String> {
    names(place, &ListContainers { filters: pairs(filters), ..all() })
}

/// The image of the only container, as lists and as its own document tell it.
fn image(place: &Place) -> (String, String) {
    let summary = listed(place, &all()).remove(0);
    let row = place.engine.container(&summary.id).expect("it was just listed");
    (summary.image, place.engine.inspect_container(&row, false).expect("the store can be read").config.image)
}

#[test]
fn an_image_is_told_as_the_user_called_it() {
    let id = boxed().id();
    for called in ["box", "box:1", "docker.io/library/box", &id, &id[7..], &boxed().short(), &boxed().short()[..7]] {
        let place = place();
        place.create(called, "one", |_| ());
        assert_eq!(image(&place), (called.to_owned(), called.to_owned()));
    }
}

#[test]
fn an_image_whose_name_means_another_one_by_now_is_told_by_its_id() {
    let place = place();
    place.create("box", "one", |_| ());
    place.load(&archive(&[(&Image::new().with_file("b", "2"), &["box:latest"])]));
    assert_eq!(image(&place), (boxed().id(), "box".to_owned()));
    place.remove("box:1", true).unwrap();
    assert_eq!(image(&place), (boxed().id(), "box".to_owned()));
}

#[test]
fn lists_show_what_runs_newest_first_or_the_last_ones() {
    let place = place();
    let [one, two, three] = ["one", "two", "three"].map(|name| place.create("box", name, |_| ()));
    let _running = (place.run(&one), place.run(&two));
    place.end(&three, 0);
    assert_eq!(names(&place, &ListContainers::default()), ["/two", "/one"]);
    assert_eq!(names(&place, &all()), ["/three", "/two", "/one"]);
    let last = ListContainers { last: Some(2), ..ListContainers::default() };
    assert_eq!(names(&place, &last), ["/three", "/two"]);
    // Who asks how containers ended means also those that do not run.
    let exited = ListContainers { filters: pairs(&[("exited", "0")]), ..ListContainers::default() };
    assert_eq!(names(&place, &exited), ["/three"]);
}

#[test]
fn filters_choose() {
    let place = place();
    let one = place.create("box", "one", |create| {
        create.labels = pairs(&[("tier", "front")]).into_iter().collect();
        create.expose = vec!["80/tcp".to_owned()];
    });
    let two = place.create("box:1", "two", |_| ());
    let _running = place.run(&one);
    place.set(&one, |state| state.health = Health::Healthy);
    place.end(&two, 3);
    let check = |filters: &[(&str, &str)], expected: &[&str]| assert_eq!(of(&place, filters), expected, "{filters:?}");
    check(&[("id", &one.id[..5])], &["/one"]);
    check(&[("name", "o")], &["/two", "/one"]);
    check(&[("name", "^/two$")], &["/two"]);
    check(&[("label", "tier=front")], &["/one"]);
    check(&[("exited", "3")], &["/two"]);
    check(&[("exited", "0")], &[]);
    check(&[("status", "running"), ("status", "exited")], &["/two", "/one"]);
    check(&[("ancestor", "box:1")], &["/two", "/one"]);
    check(&[("ancestor", "nope")], &[]);
    check(&[("before", "two")], &["/one"]);
    check(&[("since", "one")], &["/two"]);
    check(&[("health", "healthy")], &["/one"]);
    check(&[("expose", "80")], &["/one"]);
    check(&[("network", "bridge")], &["/two", "/one"]);
    check(&[("is-task", "true")], &[]);
}

#[test]
fn wrong_filters_are_refused_in_dockers_words() {
    let place = place();
    let check = |filter: (&str, &str), expected: &str| {
        let list = ListContainers { filters: pairs(&[filter]), ..all() };
        assert_eq!(place.engine.list_containers(&list).unwrap_err().to_string(), expected);
    };
    check(("foo", "x"), "invalid filter 'foo'");
    check(("status", "dancing"), "invalid filter 'status=dancing'");
    check(("exited", "x"), "invalid filter 'exited=x'");
    check(("health", "fine"), "Unrecognised filter value for health: fine");
    check(("before", "nope"), "No such container: nope");
}

#[test]
fn states_are_told_for_programs_and_for_people() {
    let place = place();
    let one = place.create("box", "one", |_| ());
    let told = || {
        let container = listed(&place, &all()).remove(0);
        (container.state, container.status)
    };
    let is = |state: &str, status: &str| assert_eq!(told(), (state.to_owned(), status.to_owned()));
    is("created", "Created");
    let running = place.run(&one);
    pass(90);
    is("running", "Up About a minute");
    place.set(&one, |state| state.freeze(None));
    is("paused", "Up About a minute (Paused)");
    // Nobody looked after it: its end is seen when it is looked at.
    drop(running);
    is("exited", "Exited (255) Less than a second ago");
}

#[test]
fn a_container_that_runs_is_removed_only_by_force() {
    let place = place();
    let one = place.create("box", "one", |_| ());
    let remove = |force| {
        let remove = RemoveContainer { container: "one".to_owned(), force, volumes: false };
        place.engine.remove_container(&remove).map_err(|why| why.to_string())
    };
    let running = place.run(&one);
    let refusal = format!(
        "You cannot remove a running container {}. Stop the container before attempting removal or force remove",
        one.id
    );
    assert_eq!(remove(false).unwrap_err(), refusal);
    drop(running);
    assert_eq!(remove(false).map(|row: ContainerRow| row.id), Ok(one.id));
    assert_eq!(remove(false).unwrap_err(), "No such container: one");
}

#[test]
fn prune_takes_what_does_not_run() {
    let place = place();
    let [one, two, three] = ["one", "two", "three"]
        .map(|name| place.create("box", name, |create| create.labels = pairs(&[(name, "")]).into_iter().collect()));
    let _running = place.run(&one);
    place.end(&two, 1);
    let prune = |filters: &[(&str, &str)]| {
        let moment = |text: &str| text.parse::<Timestamp>().map_err(|_| text.to_owned());
        let filters = PruneFilters::parse(Prunable::ContainersOrNetworks, &pairs(filters), &moment).unwrap();
        let mut ids = place.engine.prune_containers(&PruneContainers { filters }).unwrap().ids;
        ids.sort();
        ids
    };
    assert_eq!(prune(&[("until", "2001-01-01T00:00:00Z")]), [""; 0]);
    assert_eq!(prune(&[("label", "two")]), [two.id]);
    assert_eq!(prune(&[]), [three.id]);
    assert_eq!(names(&place, &all()), ["/one"]);
}

#[test]
fn names_are_taken_once_and_must_be_names() {
    let place = place();
    let one = place.create("box", "one", |_| ());
    let create = |name: &str| {
        let create = wharfie_engine::container::create::Create {
            image: "box".to_owned(),
            name: Some(name.to_owned()),
            command: vec!["true".to_owned()],
            ..Default::default()
        };
        place.engine.create(&create, &()).map(drop).map_err(|why| why.to_string())
    };
    let taken = format!(
        "Conflict. The container name \"/one\" is already in use by container \"{}\". You have to remove (or rename) \
         that container to be able to reuse that name.",
        one.id
    );
    assert_eq!(create("one").unwrap_err(), taken);
    assert!(create("-x").unwrap_err().starts_with("Invalid container name (-x)"));
}

#[test]
fn a_container_that_cannot_be_started_any_more_is_in_nobodys_way() {
    let place = place();
    let engine = &place.engine;
    let (good, bad) = (place.create("box", "good", |_| ()), place.create("box", "bad", |_| ()));
    // As it was kept before such a word was refused.
    let old = bad.settings.replace(r#""ulimits":[]"#, r#""ulimits":["foo=1"]"#);
    assert_ne!(old, bad.settings);
    engine.writer().unwrap().set_container_settings(&bad.id, &old).unwrap();

    assert_eq!(engine.list_containers(&all()).unwrap().len(), 2);
    let row = engine.container("bad").unwrap();
    assert_eq!(engine.inspect_container(&row, false).unwrap().path, "true");
    let refused = |why: Error| match why {
        Error::Container(ContainerError::Settings { id, why }) => assert!(id == bad.id && why.contains("foo"), "{why}"),
        other => panic!("{other}"),
    };
    let stop = Stop { container: "bad".to_owned(), ..Stop::default() };
    refused(engine.start("bad").unwrap_err());
    refused(engine.restart(&stop).unwrap_err());
    engine.stop(&stop).unwrap();
    engine.remove_container(&RemoveContainer { container: "bad".to_owned(), ..RemoveContainer::default() }).unwrap();
    let left = engine.containers().unwrap();
    assert_eq!(left.iter().map(|row| &row.id).collect::<Vec<_>>(), [&good.id]);
}
