//! Whether signatures are asked for, by flags, the environment and the settings.

use wharfie_engine::trust::{self, Demand};

use crate::commands::container::create_flags::DISABLE_CONTENT_TRUST;
use crate::context::Context;
use crate::env;
use crate::flags::Matches;

impl Context {
    /// What `--disable-content-trust` says, if the command has it and it was given. To be called before anything else: an engine
    /// that was made is told nothing any more.
    pub fn heed_trust(&self, matches: &Matches) {
        let Some(is_disabled) = matches.find(&DISABLE_CONTENT_TRUST) else { return };
        let said = if is_disabled { Demand::Never } else { Demand::Always };
        self.demand.set(Some(said).filter(|_| matches.is_given(&DISABLE_CONTENT_TRUST)));
    }

    /// Whether signatures are asked for: by flag, else by docker's variable, for which everything but a plain no is a yes.
    pub fn demand(&self) -> Demand {
        const NO: [&str; 6] = ["0", "f", "F", "false", "False", "FALSE"];
        self.demand.get().unwrap_or_else(|| match env::nonempty("DOCKER_CONTENT_TRUST") {
            Some(said) if !NO.contains(&said.as_str()) => Demand::Always,
            _ => Demand::ByPolicy,
        })
    }

    /// What the engine is told of it.
    pub(crate) fn trust_settings(&self) -> trust::Settings {
        trust::Settings {
            directory: self.docker_config().join("trust"),
            demand: self.demand(),
            containers_policy: self.settings().containers_policy.clone(),
        }
    }
}
