//! Problems on the wire: `application/problem+json`, from which the very same [`Problem`] is read back.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use syncline::protocol::{Code, Problem};

/// Media type of problems.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// How the `type` of every problem begins; the code follows.
pub const PROBLEM_TYPE_PREFIX: &str = "urn:syncline:problem:";

/// What HTTP says about one kind of problem.
struct Row {
    slug: &'static str,
    status: StatusCode,
    title: &'static str,
}

/// The table of problems.
fn row(code: &Code) -> Row {
    let (slug, status, title) = match code {
        Code::Malformed => ("malformed", StatusCode::BAD_REQUEST, "The request does not read"),
        Code::Unsupported => {
            ("unsupported", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The request's form is not spoken here")
        }
        Code::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "A limit is exceeded"),
        Code::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "No valid token"),
        Code::Forbidden { .. } => ("forbidden", StatusCode::FORBIDDEN, "Not allowed"),
        Code::UnknownSpace => ("unknown-space", StatusCode::NOT_FOUND, "No such space"),
        Code::CursorGone { .. } => ("cursor-gone", StatusCode::GONE, "The log cannot serve this cursor"),
        Code::Trimmed { .. } => ("trimmed", StatusCode::GONE, "The log no longer keeps these bundles"),
        Code::UnknownSnapshot => ("unknown-snapshot", StatusCode::NOT_FOUND, "No such piece of a snapshot"),
        Code::BadSnapshot => ("bad-snapshot", StatusCode::UNPROCESSABLE_ENTITY, "The snapshot is not taken"),
        Code::Gap { .. } => ("gap", StatusCode::CONFLICT, "Bundles are missing in between"),
        Code::Fork { .. } => ("fork", StatusCode::CONFLICT, "The origin's history differs"),
        Code::TooManyOrigins { .. } => ("too-many-origins", StatusCode::CONFLICT, "The log takes no further origin"),
        Code::ClockAhead { .. } => ("clock-ahead", StatusCode::UNPROCESSABLE_ENTITY, "A time lies too far ahead"),
        Code::Busy { .. } => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Try again later"),
        _ => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "The server failed"),
    };
    Row { slug, status, title }
}

/// The status that a kind of problem has unless HTTP knows a closer one.
pub(crate) fn status(code: &Code) -> StatusCode {
    row(code).status
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    code: &'a Code,
    request_id: &'a str,
}

/// Writes a problem.
pub(crate) fn to_json(problem: &Problem, status: StatusCode, request_id: &str) -> Vec<u8> {
    let Row { slug, title, .. } = row(&problem.code);
    let document = Document {
        r#type: format!("{PROBLEM_TYPE_PREFIX}{slug}"),
        title,
        status: status.as_u16(),
        detail: &problem.detail,
        code: &problem.code,
        request_id,
    };
    serde_json::to_vec(&document).expect("a problem has text keys")
}

#[derive(Deserialize)]
struct Parsed {
    r#type: String,
    detail: String,
    #[serde(flatten)]
    code: Code,
}

/// Reads a problem; `None` if it is none, or of a kind that this build does not know. A document of somebody else, with
/// another `type`, is not a problem of this protocol, whatever it says: only a peer of this protocol may refuse permanently.
pub(crate) fn from_json(bytes: &[u8]) -> Option<Problem> {
    let Parsed { r#type, detail, code } = serde_json::from_slice(bytes).ok()?;
    let slug = r#type.strip_prefix(PROBLEM_TYPE_PREFIX)?;
    (slug == row(&code).slug).then_some(Problem { code, detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use syncline::{Cursor, Dot, LogId, Position, ReplicaId, Seq};

    fn every_code() -> Vec<Code> {
        let at = Dot { origin: ReplicaId::from_bytes([1; 16]).unwrap(), seq: Seq::new(5) };
        let cursor = Cursor { log: LogId::from_bytes([0x10; 16]).unwrap(), position: Position::new(300) };
        vec![
            Code::Malformed,
            Code::Unsupported,
            Code::TooLarge,
            Code::Unauthorized,
            Code::Forbidden { origins: Vec::new() },
            Code::UnknownSpace,
            Code::CursorGone { cursor },
            Code::Trimmed { at },
            Code::UnknownSnapshot,
            Code::BadSnapshot,
            Code::Gap { at, expected: Seq::new(4) },
            Code::Fork { at },
            Code::TooManyOrigins { max: 65_536 },
            Code::ClockAhead { at, ahead_ms: 3_600_000, allowed_ms: 60_000 },
            Code::Busy { retry_after_ms: 1_500 },
            Code::Internal,
        ]
    }

    #[test]
    fn every_kind_of_problem_is_written_as_its_golden_file_has_it() {
        for code in every_code() {
            let json = to_json(&Problem::new(code.clone(), "what to do next"), status(&code), "0123456789abcdef");
            let file = format!("{}/tests/golden/problem-{}.json", env!("CARGO_MANIFEST_DIR"), row(&code).slug);
            assert_eq!(String::from_utf8(json).unwrap(), std::fs::read_to_string(file).unwrap());
        }
    }

    #[test]
    fn every_kind_of_problem_reads_back_the_same() {
        for code in every_code() {
            let problem = Problem::new(code, "what, where, how much,\nand \"what\" to do");
            let json = to_json(&problem, status(&problem.code), "id-1");
            assert_eq!(from_json(&json), Some(problem));
        }
    }

    #[test]
    fn type_code_and_status_agree_and_no_two_kinds_share_a_type() {
        let mut types = Vec::new();
        for code in every_code() {
            let json = to_json(&Problem::new(code.clone(), "detail"), status(&code), "id-1");
            let document: Value = serde_json::from_slice(&json).unwrap();
            let slug = document["type"].as_str().unwrap().strip_prefix(PROBLEM_TYPE_PREFIX).unwrap().to_owned();
            assert_eq!(document["code"], *slug, "{document}");
            assert_eq!(document["status"], status(&code).as_u16(), "{document}");
            assert_eq!(document["request_id"], "id-1");
            types.push(slug);
        }
        types.sort();
        types.dedup();
        assert_eq!(types.len(), every_code().len());
    }

    #[test]
    fn what_is_no_problem_reads_as_none() {
        for text in [
            "",
            "{}",
            r#"{"type":"urn:syncline:problem:odd","detail":"x","code":"odd"}"#,
            r#"{"type":"urn:syncline:problem:gap","detail":"x","code":"gap"}"#,
            r#"{"type":"urn:syncline:problem:internal","detail":"x","code":"unauthorized"}"#,
            r#"{"type":"about:blank","detail":"x","code":"unauthorized"}"#,
            r#"{"type":"https://example.org/problems/unauthorized","detail":"x","code":"unauthorized"}"#,
            r#"{"detail":"x","code":"unauthorized"}"#,
        ] {
            assert_eq!(from_json(text.as_bytes()), None, "{text}");
        }
    }
}
