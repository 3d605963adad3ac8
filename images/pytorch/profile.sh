PATH=/opt/pytorch/bin:$PATH
