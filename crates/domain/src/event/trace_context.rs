/// A W3C trace context (`traceparent` and `tracestate`), passed on unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

impl TraceContext {
    /// The longest `tracestate` passed on, in bytes: the minimum the W3C recommendation asks implementations to keep.
    pub const MAX_TRACESTATE: usize = 512;

    /// Checks a `traceparent` of version 00 (`00-<32 hex>-<16 hex>-<2 hex>`, ids not all zero). A `tracestate` that is too
    /// long or not printable ASCII is left out, as the recommendation says. `None` when the `traceparent` is invalid.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let nonzero = |text: &str| text.bytes().any(|b| b != b'0');
        let valid = parts.next().is_none()
            && version == "00"
            && hex(trace, 32)
            && nonzero(trace)
            && hex(span, 16)
            && nonzero(span)
            && hex(flags, 2);
        valid.then(|| Self {
            traceparent: traceparent.to_owned(),
            tracestate: tracestate
                .filter(|s| s.len() <= Self::MAX_TRACESTATE && s.bytes().all(|b| (0x20..0x7f).contains(&b)))
                .map(str::to_owned),
        })
    }

    /// The `traceparent` field.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The `tracestate` field, if there was one worth keeping.
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_valid_context_and_refuses_others() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(valid, Some("a=1"));
        assert_eq!(context.as_ref().map(TraceContext::traceparent), Some(valid));
        assert_eq!(context.as_ref().and_then(TraceContext::tracestate), Some("a=1"));
        for bad in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(TraceContext::parse(bad, None), None, "{bad}");
        }
    }

    #[test]
    fn drops_an_oversized_state_but_keeps_the_parent() {
        let state = "x".repeat(TraceContext::MAX_TRACESTATE + 1);
        let context = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(&state));
        assert!(context.is_some_and(|c| c.tracestate().is_none()));
    }
}
