//! Plans and checks: no text makes them panic, and what they say fits together.

use wharfie_build::call::{File, check, outline, targets};
use wharfie_build::dockerfile::{Dockerfile, excerpt};
use wharfie_build::plan::{Action, Base, BoxError, Mount, Origin, Plan, plan};
use wharfie_build::{Bases, Request};
use wharfie_oci::config::{ContainerConfig, ImageConfig};
use wharfie_oci::{DiffId, Digest, Platform};

/// Every image is there, and has a trigger.
struct Any;

impl Bases for Any {
    fn config(&self, _: &str, platform: &Platform) -> Result<ImageConfig, BoxError> {
        let on_build = Some(vec!["COPY --from=b /a /b".to_owned()]);
        let mut image = ImageConfig {
            os: platform.os.clone(),
            architecture: platform.architecture.clone(),
            config: Some(ContainerConfig { on_build, ..ContainerConfig::default() }),
            ..ImageConfig::default()
        };
        image.rootfs.diff_ids.push(DiffId::new(Digest::of(b"")));
        Ok(image)
    }
}

/// Insists on it for one input.
pub(crate) fn run(text: &str) {
    let request = Request::new(Platform::host());
    let file = File { name: "Dockerfile", bytes: text.as_bytes() };
    let found = check(text.as_bytes(), &request, &Any);
    let _ = (found.text(file), found.json(file), found.error(file));
    let Ok(dockerfile) = Dockerfile::read(text.as_bytes()) else { return };
    if let Ok(targets) = targets(&dockerfile) {
        let _ = (targets.text(), targets.json(file));
    }
    let planned = plan(&dockerfile, &request, &Any);
    assert_eq!(outline(&dockerfile, &request, &Any).is_ok(), planned.is_ok(), "the same is asked in both");
    match planned {
        Ok(plan) => insist(&plan),
        Err(why) => drop(excerpt("Dockerfile", text, why.places())),
    }
}

/// A stage refers only to what comes before it.
fn insist(plan: &Plan) {
    assert_eq!(plan.target + 1, plan.stages.len(), "the target comes last");
    for (at, stage) in plan.stages.iter().enumerate() {
        if let Base::Stage(base) = stage.base {
            assert!(base < at, "a base comes first");
        }
        for step in &stage.steps {
            let origins: Vec<&Origin> = match &step.action {
                Action::Copy(copy) => copy.from.iter().collect(),
                Action::Run(run) => run.mounts.iter().filter_map(origin).collect(),
                Action::Metadata | Action::Workdir(_) => Vec::new(),
            };
            for origin in origins {
                assert!(!matches!(origin, Origin::Stage(of) if *of >= at), "what is copied from comes first");
            }
        }
    }
}

fn origin(mount: &Mount) -> Option<&Origin> {
    match mount {
        Mount::Bind { from, .. } => from.as_ref(),
        Mount::Cache(cache) => cache.from.as_ref(),
        Mount::Tmpfs { .. } | Mount::Secret(_) | Mount::Ssh(_) => None,
    }
}
