//! Files, an environment and a request, with everything else as usual.

use std::collections::BTreeMap;

use wharfie_bake::{Bake, Error, Means, Request, Target, read};

/// What a test asks for.
#[derive(Default, Clone)]
pub(crate) struct Asked {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) targets: Vec<String>,
    pub(crate) overrides: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) neighbours: BTreeMap<String, String>,
}

/// One file in HCL.
pub(crate) fn hcl(text: &str) -> Asked {
    file("docker-bake.hcl", text)
}

/// One file.
pub(crate) fn file(name: &str, text: &str) -> Asked {
    Asked::default().and(name, text)
}

impl Asked {
    pub(crate) fn and(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.as_bytes().to_vec()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn beside(mut self, name: &str, text: &str) -> Self {
        self.neighbours.insert(name.to_owned(), text.to_owned());
        self
    }

    pub(crate) fn set(mut self, override_: &str) -> Self {
        self.overrides.push(override_.to_owned());
        self
    }

    pub(crate) fn targets(mut self, names: &[&str]) -> Self {
        self.targets = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Runs `then` with the request.
    pub(crate) fn with<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let environment = |name: &str| self.environment.get(name).cloned();
        let entropy = |bytes: &mut [u8]| bytes.fill(0xab);
        let neighbours = |name: &str| self.neighbours.get(name).map(|text| text.as_bytes().to_vec());
        then(&Request {
            files: &self.files,
            targets: &self.targets,
            overrides: &self.overrides,
            variables: &self.variables,
            environment: &environment,
            neighbours: &neighbours,
            local_platform: "linux/amd64",
            command_context: "cwd://",
            means: Means { now: 1_700_000_000, entropy: &entropy, home: "/home/me" },
        })
    }

    pub(crate) fn read(&self) -> Result<Bake, Error> {
        self.with(read)
    }

    #[track_caller]
    pub(crate) fn bake(&self) -> Bake {
        self.read().expect("the files make sense")
    }

    /// The target, which is asked for by its name.
    #[track_caller]
    pub(crate) fn target(&self, name: &str) -> Target {
        let bake = self.clone().targets(&[name]).bake();
        bake.targets[name].clone()
    }

    /// The target's arguments.
    #[track_caller]
    pub(crate) fn args(&self, name: &str) -> Vec<(String, String)> {
        self.target(name).args.into_iter().collect()
    }

    /// The error's text contains this.
    #[track_caller]
    pub(crate) fn fails(&self, text: &str) {
        let error = self.read().expect_err("the files make no sense").to_string();
        assert!(error.contains(text), "{error}\ndoes not contain\n{text}");
    }
}

/// `a=1` pairs.
pub(crate) fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
