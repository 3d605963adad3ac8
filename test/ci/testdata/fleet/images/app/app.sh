#!/bin/sh
echo "$(cat /etc/greeting) from app"
