/// A number of metres in kilometres.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 m, which is a light year")]
pub(super) fn km(metres: i64) -> f64 {
    metres as f64 / 1_000.0
}
