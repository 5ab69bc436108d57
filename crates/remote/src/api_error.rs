//! What registries say when they refuse: the distribution specification's error documents, in docker's words.

use std::fmt;

use serde::Deserialize;

use crate::json_text;

/// One error of a registry's answer. Source: distribution-spec, "Error Codes".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The code as the registry wrote it, `MANIFEST_UNKNOWN`.
    pub code: String,
    /// The message; may be empty.
    pub message: String,
    /// True if the registry added a `detail`.
    pub has_detail: bool,
}

impl ApiError {
    /// An error with the code's standard message and no detail: prints as the bare code, or with its message if
    /// `is_verbose`.
    pub(crate) fn standard(code: &str, is_verbose: bool) -> Self {
        let message = standard_message(code).unwrap_or_default();
        Self { code: code.to_owned(), message: message.to_owned(), has_detail: is_verbose }
    }

    /// True if the registry said something of its own, beyond the standard message of the code.
    pub fn has_own_words(&self) -> bool {
        !self.message.is_empty() && standard_message(&self.code) != Some(&*self.message)
    }

    /// True if the code is `code`.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

impl fmt::Display for ApiError {
    /// `code: message`; a known code with its standard message and no detail is the code alone. Codes that nobody knows
    /// print as `unknown`, as docker prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standard = standard_message(&self.code);
        let code = if standard.is_some() { self.code.to_lowercase().replace('_', " ") } else { "unknown".to_owned() };
        if !self.has_detail && (self.message.is_empty() || standard == Some(&*self.message)) {
            return f.write_str(&code);
        }
        write!(f, "{code}: {}", self.message)
    }
}

/// Reads the body of a refusal. The error is the reason in the words that docker's JSON reader uses.
pub(crate) fn parse(status: u16, body: &[u8]) -> Result<Vec<ApiError>, String> {
    #[derive(Deserialize)]
    struct Document {
        details: Option<serde_json::Value>,
        errors: Option<Vec<Entry>>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: serde_json::Value,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        detail: Option<serde_json::Value>,
    }
    let document: Document = serde_json::from_slice(body).map_err(|why| match foreign_kind(body) {
        Some(kind) if why.is_data() => {
            format!("json: cannot unmarshal {kind} into Go value of type struct {{ Errors []errcode.Error }}")
        }
        _ => json_text::go_error(body, &why),
    })?;
    if let Some(details) = document.details.as_ref().and_then(|d| d.as_str()).filter(|d| !d.is_empty()) {
        let code = match status {
            401 => "UNAUTHORIZED",
            403 => "DENIED",
            429 => "TOOMANYREQUESTS",
            _ => "UNKNOWN",
        };
        return Ok(vec![ApiError { code: code.to_owned(), message: details.to_owned(), has_detail: false }]);
    }
    let errors: Vec<ApiError> = document
        .errors
        .unwrap_or_default()
        .into_iter()
        .take(MAX_ERRORS)
        .map(|entry| ApiError {
            code: entry.code.as_str().unwrap_or_default().to_owned(),
            message: entry.message.unwrap_or_default(),
            has_detail: entry.detail.is_some_and(|detail| !detail.is_null()),
        })
        .collect();
    if errors.is_empty() { Err("no error details found in HTTP response body".to_owned()) } else { Ok(errors) }
}

/// What a document is that is no object, in the words of Go's reader.
fn foreign_kind(body: &[u8]) -> Option<&'static str> {
    match body.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'[' => Some("array"),
        b'"' => Some("string"),
        b't' | b'f' => Some("bool"),
        b'-' | b'0'..=b'9' => Some("number"),
        _ => None,
    }
}

/// One error alone, several as a list: docker's spelling.
pub(crate) fn join(errors: &[ApiError]) -> String {
    match errors {
        [] => "<nil>".to_owned(),
        [only] => only.to_string(),
        several => several.iter().fold("errors:\n".to_owned(), |text, error| text + &error.to_string() + "\n"),
    }
}

/// 16: more errors in one answer tell nobody anything.
const MAX_ERRORS: usize = 16;

fn standard_message(code: &str) -> Option<&'static str> {
    Some(match code {
        "UNKNOWN" => "unknown error",
        "UNSUPPORTED" => "The operation is unsupported.",
        "UNAUTHORIZED" => "authentication required",
        "DENIED" => "requested access to the resource is denied",
        "UNAVAILABLE" => "service unavailable",
        "TOOMANYREQUESTS" => "too many requests",
        "DIGEST_INVALID" => "provided digest did not match uploaded content",
        "SIZE_INVALID" => "provided length did not match content length",
        "RANGE_INVALID" => "invalid content range",
        "NAME_INVALID" => "invalid repository name",
        "TAG_INVALID" => "manifest tag did not match URI",
        "NAME_UNKNOWN" => "repository name not known to registry",
        "MANIFEST_UNKNOWN" => "manifest unknown",
        "MANIFEST_INVALID" => "manifest invalid",
        "MANIFEST_UNVERIFIED" => "manifest failed signature verification",
        "MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN" => "blob unknown to registry",
        "BLOB_UPLOAD_UNKNOWN" => "blob upload unknown to registry",
        "BLOB_UPLOAD_INVALID" => "blob upload invalid",
        "PAGINATION_NUMBER_INVALID" => "invalid number of results requested",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_print_as_docker_prints_them() {
        fn check(status: u16, body: &str, expected: &str) {
            let text = match parse(status, body.as_bytes()) {
                Ok(errors) => join(&errors),
                Err(why) => format!("! {why}"),
            };
            assert_eq!(text, expected, "{body}");
        }
        let denied = "requested access to the resource is denied";
        check(403, &format!(r#"{{"errors":[{{"code":"DENIED","message":"{denied}"}}]}}"#), "denied");
        check(403, &format!(r#"{{"errors":[{{"code":"DENIED","message":"{denied}","detail":null}}]}}"#), "denied");
        check(
            403,
            &format!(r#"{{"errors":[{{"code":"DENIED","message":"{denied}","detail":[{{}}]}}]}}"#),
            &format!("denied: {denied}"),
        );
        check(
            404,
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
            "manifest unknown: manifest unknown",
        );
        check(403, r#"{"details":"wrong password"}"#, "denied: wrong password");
        let go = "! json: cannot unmarshal";
        check(403, "[]", &format!("{go} array into Go value of type struct {{ Errors []errcode.Error }}"));
        check(403, "\"x\"", &format!("{go} string into Go value of type struct {{ Errors []errcode.Error }}"));
        check(404, r#"{"errors":[{"code":"X_Y","message":"oh"}]}"#, "unknown: oh");
        check(429, r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow"}]}"#, "toomanyrequests: slow");
        check(429, r#"{"details":"slow down"}"#, "toomanyrequests: slow down");
        check(401, r#"{"details":"incorrect username or password"}"#, "unauthorized: incorrect username or password");
        check(
            401,
            r#"{"errors":[{"code":"DENIED","message":"a"},{"code":"UNKNOWN"}]}"#,
            "errors:\ndenied: a\nunknown\n",
        );
        check(404, "<html>", "! invalid character '<' looking for beginning of value");
        check(404, "", "! unexpected end of JSON input");
        check(404, "{}", "! no error details found in HTTP response body");
    }
}
