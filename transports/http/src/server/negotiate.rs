//! Which form and which coding a request has and its answer takes (RFC 9110, section 12).

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, StatusCode};
use syncline::protocol::Code;

use super::fault::{Fault, Hint};
use crate::compression::ZSTD;
use crate::form::{BINARY, Form, JSON};
use crate::frame::StreamForm;

/// How a request's body is written.
pub(super) fn body_form(headers: &HeaderMap) -> Result<Form, Fault> {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    named.and_then(Form::of).ok_or_else(|| {
        Fault::new(
            Code::Unsupported,
            format!("the body's Content-Type is none of {BINARY} and {JSON}; send one of them"),
        )
    })
}

/// Whether a request's body is compressed.
pub(super) fn body_is_zstd(headers: &HeaderMap) -> Result<bool, Fault> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = codings.next().map(|value| value.as_bytes().trim_ascii());
    match (coding, codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.eq_ignore_ascii_case(ZSTD.as_bytes()) => Ok(true),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"identity") => Ok(false),
        _ => {
            let detail = "the body's Content-Encoding is unknown, or there are several; send zstd, or none";
            Err(Fault::new(Code::Unsupported, detail).with_hint(Hint::CompressWithZstd))
        }
    }
}

/// How the answer is to be written: what the sender likes best, else as the request's body is, else JSON.
pub(super) fn answer_form(headers: &HeaderMap, body: Option<Form>) -> Result<Form, Fault> {
    let forms = match body {
        Some(Form::Binary) => [Form::Binary, Form::Json],
        _ => [Form::Json, Form::Binary],
    };
    best(headers, forms, Form::media_type)
}

/// How a watch stream is to be written: events unless frames are asked for.
pub(super) fn stream_form(headers: &HeaderMap) -> Result<StreamForm, Fault> {
    best(headers, [StreamForm::Events, StreamForm::Frames], StreamForm::media_type)
}

/// Whether the answer may be compressed.
pub(super) fn takes_zstd(headers: &HeaderMap) -> bool {
    weight(headers, ACCEPT_ENCODING, |coding| match coding {
        _ if coding.eq_ignore_ascii_case(ZSTD) => Some(1),
        "*" => Some(0),
        _ => None,
    })
    .is_some_and(|weight| weight > 0)
}

/// The first of those that the sender likes best.
fn best<T: Copy>(headers: &HeaderMap, forms: [T; 2], media_type: fn(T) -> &'static str) -> Result<T, Fault> {
    if !headers.contains_key(ACCEPT) {
        return Ok(forms[0]);
    }
    let liking = |form: T| {
        let name = media_type(form);
        let any = name.split_once('/').map_or("", |(kind, _)| kind);
        weight(headers, ACCEPT, |range| match range.split_once('/') {
            _ if range.eq_ignore_ascii_case(name) => Some(2),
            Some((kind, "*")) if kind.eq_ignore_ascii_case(any) => Some(1),
            Some(("*", "*")) => Some(0),
            _ => None,
        })
        .unwrap_or(0)
    };
    match forms.map(liking) {
        [0, 0] => {
            let [first, second] = forms.map(media_type);
            let detail = format!("Accept allows neither {first} nor {second}; allow one of them");
            Err(Fault::new(Code::Unsupported, detail).with_status(StatusCode::NOT_ACCEPTABLE))
        }
        [first, second] => Ok(if second > first { forms[1] } else { forms[0] }),
    }
}

/// The weight, in thousandths, that a list gives to a name: that of the entry which fits closest. `fit` says how close one is.
fn weight(headers: &HeaderMap, list: HeaderName, fit: impl Fn(&str) -> Option<u8>) -> Option<u16> {
    let values = headers.get_all(list).iter().filter_map(|value| value.to_str().ok());
    let fitting = values.flat_map(|value| value.split(',')).filter_map(|entry| {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        Some((fit(name.trim())?, quality(parameters)?))
    });
    fitting.max().map(|(_, quality)| quality)
}

/// The `q` among an entry's parameters, in thousandths; `None` if it is not one.
fn quality(parameters: &str) -> Option<u16> {
    let mut pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
    match pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("q")) {
        Some((_, value)) => {
            let quality: f32 = value.trim().parse().ok()?;
            (0.0..=1.0).contains(&quality).then_some((quality * 1_000.0) as u16)
        }
        None => Some(1_000),
    }
}
