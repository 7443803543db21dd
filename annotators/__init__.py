"""Files of annotation tools and of data sets, read and, where the tool imports its own form, written; without torch."""
