//! What is built: the Dockerfile and the context, wherever the words of the command line say that they are.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use wharfie_engine::build::stream::{Address, Streamed, address, tell};
use wharfie_engine::build::{Context as Files, Definition};

use crate::context::{Context, reason};
use crate::failure::{Failure, Result};

/// A Dockerfile and what it may copy from.
#[derive(Debug)]
pub(crate) struct Source {
    /// What it may copy from.
    pub(crate) files: Files,
    /// What the Dockerfile says.
    pub(crate) definition: Definition,
    /// Where it is.
    pub(crate) dockerfile_name: String,
    /// What the ignore file says that belongs to this Dockerfile alone.
    pub(crate) ignore: Option<String>,
}

/// What a Dockerfile is called if nobody says otherwise.
const DOCKERFILE: &str = "Dockerfile";

/// Finds what `place` (`PATH`, `URL` or `-`) and `--file` mean.
pub(crate) fn find(cx: &Context, place: &str, file: Option<&str>) -> Result<Source> {
    match (place, file) {
        ("-", Some("-")) => {
            Err(Failure::new("invalid argument: can't use stdin for both build context and dockerfile"))
        }
        ("-", file) => of_stream(Box::new(std::io::stdin()), file, "stdin"),
        (place, file) => match address(place) {
            Address::Git(url) => in_context(cx, Files::Git(url), file),
            Address::Web(url) => match file {
                None => of_stream(cx.download(&url)?.reader, None, &url),
                Some(_) => {
                    let reader = cx.download(&url)?.reader;
                    in_context(cx, Files::Tar(Mutex::new(Some(reader))), file)
                }
            },
            Address::Path => of_directory(cx, Path::new(place), file),
        },
    }
}

fn of_stream(stream: Box<dyn Read + Send>, file: Option<&str>, from: &str) -> Result<Source> {
    let told = tell(stream).map_err(|why| preparing(&format!("cannot read {from}: {}", reason(&why))))?;
    Ok(match told {
        Streamed::Archive(stream) => Source {
            files: Files::Tar(Mutex::new(Some(stream))),
            definition: Definition::InContext,
            dockerfile_name: file.unwrap_or(DOCKERFILE).to_owned(),
            ignore: None,
        },
        Streamed::Text(text) => Source {
            files: Files::Empty,
            definition: Definition::Text(text),
            dockerfile_name: DOCKERFILE.to_owned(),
            ignore: None,
        },
    })
}

/// A context that is not here yet, and in which the Dockerfile is unless it comes from elsewhere.
fn in_context(cx: &Context, files: Files, file: Option<&str>) -> Result<Source> {
    let (definition, dockerfile_name) = match file {
        Some("-") => (Definition::Text(from_stdin()?), DOCKERFILE.to_owned()),
        Some(url) if matches!(address(url), Address::Web(_)) => (Definition::Text(from_web(cx, url)?), url.to_owned()),
        file => (Definition::InContext, file.unwrap_or(DOCKERFILE).to_owned()),
    };
    Ok(Source { files, definition, dockerfile_name, ignore: None })
}

fn of_directory(cx: &Context, directory: &Path, file: Option<&str>) -> Result<Source> {
    let found = directory.metadata().map_err(|_| preparing(&format!("path {directory:?} not found")))?;
    if !found.is_dir() {
        let shown = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        return Err(preparing(&format!("context must be a directory: {}", shown.display())));
    }
    let files = Files::Directory(directory.to_owned());
    let path = match file {
        Some("-") => {
            let definition = Definition::Text(from_stdin()?);
            return Ok(Source { files, definition, dockerfile_name: DOCKERFILE.to_owned(), ignore: None });
        }
        Some(url) if matches!(address(url), Address::Web(_)) => {
            let definition = Definition::Text(from_web(cx, url)?);
            return Ok(Source { files, definition, dockerfile_name: url.to_owned(), ignore: None });
        }
        Some(file) => PathBuf::from(file),
        None => default_in(directory),
    };
    let text = std::fs::read(&path).map_err(|why| {
        let shown = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        let shown = shown.display();
        match why.kind() {
            std::io::ErrorKind::NotFound => {
                preparing(&format!("unable to evaluate symlinks in Dockerfile path: lstat {shown}: {}", reason(&why)))
            }
            _ => preparing(&format!("cannot read {shown}: {}", reason(&why))),
        }
    })?;
    let mut own = path.clone().into_os_string();
    own.push(".dockerignore");
    let ignore = match std::fs::read(&own) {
        Ok(text) => Some(String::from_utf8_lossy(&text).into_owned()),
        Err(_) => None,
    };
    let shown = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
    Ok(Source { files, definition: Definition::Text(text), dockerfile_name: shown, ignore })
}

/// The file that counts if none is named. Podman's users call it otherwise.
fn default_in(directory: &Path) -> PathBuf {
    let names = [DOCKERFILE, "dockerfile", "Containerfile"];
    let found = names.iter().map(|name| directory.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| directory.join(DOCKERFILE))
}

fn from_stdin() -> Result<Vec<u8>> {
    let mut text = Vec::new();
    std::io::stdin()
        .read_to_end(&mut text)
        .map_err(|why| preparing(&format!("cannot read stdin: {}", reason(&why))))?;
    Ok(text)
}

fn from_web(cx: &Context, url: &str) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let reader = cx.download(url)?.reader;
    let read = reader.take(MAX_DOCKERFILE).read_to_end(&mut text);
    read.map_err(|why| preparing(&format!("cannot read {url}: {}", reason(&why))))?;
    Ok(text)
}

/// 2 MiB.
const MAX_DOCKERFILE: u64 = 2 << 20;

fn preparing(why: &str) -> Failure {
    Failure::new(format!("unable to prepare context: {why}"))
}
