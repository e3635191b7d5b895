"""What users' files look like: configs, Supervisely annotations. No TensorFlow.

Projects, COCO files, images and pages are imported from their own modules.
"""

from formats.config import load_config
from formats.errors import (
    AnnotationFileError,
    ConfigFileError,
    FormatError,
    ImageFileError,
)
from formats.json_file import read_json
from formats.supervisely.annotation import annotation_json, bitmap_object, tag_json
from formats.supervisely.bitmap import read_bitmap, write_bitmap
from formats.supervisely.meta import ClassMeta, ProjectMeta, TagMeta

__all__ = [
    "AnnotationFileError",
    "ClassMeta",
    "ConfigFileError",
    "FormatError",
    "ImageFileError",
    "ProjectMeta",
    "TagMeta",
    "annotation_json",
    "bitmap_object",
    "load_config",
    "read_bitmap",
    "read_json",
    "tag_json",
    "write_bitmap",
]
