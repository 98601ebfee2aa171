//! The section `[audit]`.

use super::parse_duration;
use crate::audit::AuditOptions;
use crate::auth::settings::Switch;

/// Only called with values that were checked.
pub(super) fn options<'v>(text: &impl Fn(&'static str, &'static str) -> &'v str) -> AuditOptions {
    AuditOptions {
        retention: parse_duration(text("audit", "retention")).unwrap_or_default(),
        tamper_evident: match text("audit", "tamper_evident") {
            "false" => Switch::Off,
            _ => Switch::On,
        },
        ..AuditOptions::default()
    }
}
