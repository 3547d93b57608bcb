import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, PretrainConfig
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.evaluation.result_table import result_table
