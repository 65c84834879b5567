use crate::Result;

/// Samples in order.
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// # Errors
    /// If there are none.
    pub(crate) fn new(mut samples: Vec<f64>) -> Result<Self> {
        if samples.is_empty() {
            return Err("nothing was measured".into());
        }
        samples.sort_by(f64::total_cmp);
        Ok(Self(samples))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest sample that at least this share of them does not exceed (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    pub(crate) fn max(&self) -> f64 {
        self.percentile(100)
    }
}
