//! Questions about a Dockerfile that are answered instead of building it: `--call check`, `outline`, `targets`.

use wharfie_build::call::{File, check, outline, targets};
use wharfie_build::dockerfile::Dockerfile;
use wharfie_content::Observer;

use super::bases::BaseImages;
use super::contexts::Contexts;
use super::error::BuildError;
use super::request::Build;
use super::{excerpt, request_of};
use crate::engine::Engine;
use crate::error::Result;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// What could be better in the file, and what is wrong with it.
    Check,
    /// Which arguments, secrets and agents a target takes.
    Outline,
    /// Which targets there are.
    Targets,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// What to print.
    pub text: String,
    /// An error to tell after that.
    pub error: Option<String>,
    /// The exit code, if there is no error.
    pub code: u8,
}

impl Engine {
    /// Answers a question about the Dockerfile of `build`: as text, or as JSON.
    ///
    /// # Errors
    /// When the context or a base that the answer needs cannot be had, or the Dockerfile makes no sense.
    pub fn call(&self, build: &Build, call: Call, is_json: bool, observer: &dyn Observer) -> Result<Answer> {
        let lease = self.writer()?.lease()?;
        let bases = BaseImages::new(self, &lease, build, observer);
        let contexts = Contexts::new(self, &lease, build, &bases, observer);
        let bytes = contexts.definition()?;
        let host = lease.store().options().platform.clone();
        let platform = build.platforms.first().cloned().unwrap_or_else(|| host.clone());
        let request = request_of(build, &host, &platform, contexts.ignore()?);
        let file = File { name: &build.dockerfile_name, bytes: &bytes };
        let located = |why: wharfie_build::Error| BuildError::Plan {
            excerpt: excerpt(&build.dockerfile_name, &bytes, why.places()),
            source: Box::new(why),
        };
        Ok(match call {
            Call::Check => {
                let found = check(&bytes, &request, &bases);
                match is_json {
                    true => Answer { text: line(found.json(file)), error: None, code: found.exit_code() },
                    false => Answer { text: found.text(file), error: found.error(file), code: found.exit_code() },
                }
            }
            Call::Outline => {
                let dockerfile = Dockerfile::read(&bytes).map_err(located)?;
                let found = outline(&dockerfile, &request, &bases).map_err(located)?;
                Answer { text: if is_json { line(found.json(file)) } else { found.text() }, ..Answer::default() }
            }
            Call::Targets => {
                let dockerfile = Dockerfile::read(&bytes).map_err(located)?;
                let found = targets(&dockerfile).map_err(located)?;
                Answer { text: if is_json { line(found.json(file)) } else { found.text() }, ..Answer::default() }
            }
        })
    }
}

fn line(mut text: String) -> String {
    text.push('\n');
    text
}
