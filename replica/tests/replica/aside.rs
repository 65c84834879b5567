//! aside
