//! A libnvidia-ml that a file scripts: the C ABI of the real one, and no GPU.
