"""Numbers that the field agreed on, needed by compiled loops and by tensors alike. No torch here.

Monodepth2 at b676244 has them in layers.py, trainer.py, datasets/kitti_dataset.py and datasets/mono_dataset.py.
"""

from __future__ import annotations

C1, C2 = 0.01**2, 0.03**2  # of SSIM, for images in [0, 1]: Wang et al. 2004, eq. 13
SSIM_WEIGHT = 0.85  # in the photometric error, against 0.15 of the absolute difference: Godard et al. 2019, eq. 2
FOCAL = 0.58  # of the width: the horizontal focal length taken for every image of KITTI
BASELINE = 0.1  # of every stereo pair, the unit of length: x5.4 makes metres, KITTI's cameras being 0.54 m apart
