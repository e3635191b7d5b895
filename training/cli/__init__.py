"""The command lines of training, evaluation and inspection."""
