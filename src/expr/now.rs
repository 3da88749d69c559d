//! `now()`: the time of the real clock. It is another one each time, so what a service keeps of it tells no states apart.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};

/// How a moment is written where `format` names one of these, and not a pattern of its own.
const FORMATS: [(&str, &str); 4] = [
    ("iso", "%Y-%m-%dT%H:%M:%SZ"),
    ("date", "%Y-%m-%d"),
    ("time", "%H:%M:%S"),
    ("http", "%a, %d %b %Y %H:%M:%S GMT"),
];

/// The function `now`, with `format` and `offset`, in UTC.
#[expect(clippy::needless_pass_by_value, reason = "the signature of functions")]
pub(super) fn now(kwargs: Kwargs) -> Result<Value, Error> {
    let offset: Option<String> = kwargs.get("offset")?;
    let format: Option<String> = kwargs.get("format")?;
    kwargs.assert_all_used()?;
    let moment = moved(Timestamp::now().to_zoned(TimeZone::UTC), offset.as_deref());
    let written = moment.and_then(|moment| written(&moment, format.as_deref().unwrap_or("iso")));
    written.map_err(|why| Error::new(ErrorKind::InvalidOperation, why))
}

/// Why `now()` cannot be called like this, if so.
pub(super) fn problem(offset: Option<&str>, format: Option<&str>) -> Option<String> {
    let moment = moved(Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), offset);
    let written = moment.and_then(|moment| written(&moment, format.unwrap_or("iso")));
    written.err()
}

fn moved(moment: Zoned, offset: Option<&str>) -> Result<Zoned, String> {
    let Some(offset) = offset else {
        return Ok(moment);
    };
    let by: Result<Span, _> = offset.trim().parse();
    let moved = by.and_then(|by| moment.checked_add(by));
    moved.map_err(|error| {
        format!("`{offset}` is no offset such as `+1d`, `-2h 30m` or `1 month`: {error}")
    })
}

fn written(moment: &Zoned, format: &str) -> Result<Value, String> {
    let timestamp = moment.timestamp();
    match format {
        "unix" => return Ok(timestamp.as_second().into()),
        "unix_ms" => return Ok(timestamp.as_millisecond().into()),
        _ => {}
    }
    let named = FORMATS.iter().find(|(name, _)| *name == format);
    let pattern = named.map_or(format, |(_, pattern)| pattern);
    if !pattern.contains('%') {
        return Err(format!(
            "`{format}` is no format: write `iso`, `date`, `time`, `http`, `unix`, `unix_ms`, or a pattern such as `%d.%m.%Y`"
        ));
    }
    let text = jiff::fmt::strtime::format(pattern, moment);
    text.map(Value::from)
        .map_err(|error| format!("`{format}` is no format: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: Option<&str>, format: &str) -> Result<String, String> {
        let moment: Timestamp = "2026-01-31T10:00:00.123Z".parse().unwrap();
        let moved = moved(moment.to_zoned(TimeZone::UTC), offset)?;
        written(&moved, format).map(|value| value.to_string())
    }

    #[test]
    fn a_moment_is_written_as_people_ask_for_it() {
        for (offset, format, wanted) in [
            (None, "iso", "2026-01-31T10:00:00Z"),
            (Some("+1d"), "date", "2026-02-01"),
            (Some("-2h 30m"), "time", "07:30:00"),
            (Some("1 month"), "%d.%m.%Y", "28.02.2026"),
            (Some("-1d"), "http", "Fri, 30 Jan 2026 10:00:00 GMT"),
            (None, "unix", "1769853600"),
            (None, "unix_ms", "1769853600123"),
        ] {
            assert_eq!(at(offset, format).unwrap(), wanted, "{offset:?} {format}");
        }
        assert!(problem(Some("tomorrow"), None).is_some());
        assert!(problem(None, Some("rfc")).is_some());
        assert!(problem(None, Some("%!")).is_some());
        assert!(problem(Some("+1d"), Some("%H")).is_none());
    }
}
