//! The one place where an angle becomes two numbers. Done once for each factor, rounded to 1e-9.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    reason = "sine and cosine have no integers; the bounds of the tree keep every value exact in a double"
)]

/// Real and imaginary part, in 1e-9, of a ratio in millionths at an angle in thousandths of a degree.
pub(super) fn split(ratio_millionths: i64, angle_mdeg: i64) -> (i64, i64) {
    let radians = (angle_mdeg.rem_euclid(360_000) as f64 / 1_000.0).to_radians();
    let nano = ratio_millionths as f64 * 1_000.0;
    ((nano * radians.cos()).round() as i64, (nano * radians.sin()).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_angle_is_split_to_nine_digits() {
        assert_eq!(split(1_000_000, 0), (1_000_000_000, 0));
        assert_eq!(split(1_000_000, -90_000), (0, -1_000_000_000));
        assert_eq!(split(-500_000, 150_000), (433_012_702, -250_000_000));
        assert_eq!(split(250_000, 30_000 + 360_000), (216_506_351, 125_000_000));
    }
}
