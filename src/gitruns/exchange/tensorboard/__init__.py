"""TensorBoard's event files, read without TensorBoard: scalars, hyperparameters, texts and images."""
